"""The script that learns a vocabulary from text."""

import json
import pathlib
import subprocess
import sys

import pytest

from data.text import word_counts
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.tokenization import BertTokenizer
from data.text.wordpiece_learner import LearnerOptions
from system import settings
from system.errors import UserError
from tools import build_vocab

TEXT = 'The lower lowest low\nthe newest new Über uber\n\n' * 50


@pytest.fixture
def corpus(tmp_path) -> Corpus:
  (tmp_path / 'text').write_text(TEXT)
  return Corpus(CorpusOptions(str(tmp_path / 'text')))


def _build(corpus, path: pathlib.Path, size: int, **options) -> list[str]:
  do_lower_case = options.pop('do_lower_case', True)
  num_workers = options.pop('num_workers', None)
  options = LearnerOptions(size, **options)
  tokens = build_vocab.build(
    corpus, str(path), do_lower_case, options, num_workers
  )
  assert path.read_text() == ''.join(f'{token}\n' for token in tokens)
  assert len(tokens) == len(set(tokens)) == size
  return tokens


def test_frequent_words_become_tokens_and_all_words_have_pieces(
  corpus, tmp_path
):
  path = tmp_path / 'new' / 'vocab.txt'
  tokens = _build(corpus, path, 30)
  assert tokens[:5] == ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
  assert {'the', 'low', 'uber'} <= set(tokens)
  tokenizer = BertTokenizer(str(path), True)
  ids = tokenizer.tokenize(['The newest lower Über']).values.numpy().tolist()
  assert tokenizer.unk_id not in ids


def test_a_vocabulary_that_no_model_can_use_is_refused():
  for values in ({'vocab_size': 10**11}, {'num_unused_tokens': 10**8}):
    with pytest.raises(UserError, match='expected [06] to 10,000,000'):
      settings.check(LearnerOptions(**values))


def test_cased_vocabularies_keep_case_and_accents(corpus, tmp_path):
  tokens = _build(corpus, tmp_path / 'vocab.txt', 35, do_lower_case=False)
  assert {'The', 'the', 'Über', 'uber'} <= set(tokens)


def test_the_tokens_do_not_depend_on_the_number_of_threads(
  corpus, tmp_path, monkeypatch
):
  monkeypatch.setattr(word_counts, '_BATCH_CHARACTERS', 50)
  first = _build(corpus, tmp_path / 'a', 28, num_workers=1)
  assert _build(corpus, tmp_path / 'b', 28, num_workers=3) == first


def test_the_alphabet_has_the_characters_of_forgotten_words(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(word_counts, '_BATCH_CHARACTERS', 8)
  monkeypatch.setattr(
    build_vocab,
    'WordCounter',
    lambda forget: word_counts.WordCounter(forget, max_words=3),
  )
  (tmp_path / 'text').write_text('\n\n'.join(['ab ab'] * 9 + ['cd', 'ce'] * 2))
  corpus = Corpus(CorpusOptions(str(tmp_path / 'text')))
  tokens = _build(corpus, tmp_path / 'vocab.txt', 11)
  assert tokens[5:] == ['a', 'c', '##b', '##d', '##e', 'ab']


def test_an_unwritable_output_is_reported_before_the_text_is_read(
  corpus, tmp_path, monkeypatch
):
  monkeypatch.setattr(build_vocab, 'count_words', None)
  options = LearnerOptions(30)
  for path, message in [
    (tmp_path, 'is a folder'),
    (tmp_path / 'text', 'is also an input file'),
    (tmp_path / 'text' / 'vocab.txt', 'cannot write to'),
  ]:
    with pytest.raises(UserError, match=message):
      build_vocab.build(corpus, str(path), True, options)
  assert (tmp_path / 'text').read_text() == TEXT


def test_a_failure_leaves_an_earlier_vocabulary(corpus, tmp_path):
  path = tmp_path / 'vocab.txt'
  path.write_text('before')
  with pytest.raises(UserError, match='`vocab_size`=10 is too small'):
    _build(corpus, path, 10)
  assert path.read_text() == 'before'
  assert {p.name for p in tmp_path.iterdir()} == {'text', 'vocab.txt'}


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--input_file=t', '--output_file=v', '--language=de'], '--language'),
    (['--input_file=t', '--output_file=v', '--vocab_size=3'], '--vocab_size'),
  ],
)
def test_wrong_flags_are_named(arguments, message):
  done = subprocess.run(
    [sys.executable, '-m', 'tools.build_vocab', *arguments],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert message in done.stderr
  assert 'Traceback' not in done.stderr


@pytest.mark.slow
def test_the_vocabulary_is_as_good_as_the_released_one(shared_data, tmp_path):
  """Compares vocabularies of the same size on held-out text."""
  train, heldout = (
    shared_data / 'wiki' / f'{name}.txt.gz' for name in ('train-00', 'heldout')
  )
  vocab_file, numbers = tmp_path / 'new' / 'vocab.txt', []
  _run('build_vocab', input_file=train, output_file=vocab_file)
  for path in (vocab_file, shared_data / 'vocab' / 'uncased_vocab.txt'):
    output = tmp_path / 'numbers' / 'check.json'
    _run('check_vocab', input_file=heldout, vocab_file=path, output_file=output)
    numbers.append(json.loads(output.read_text()))
  ours, released = numbers
  assert ours['vocab_size'] == released['vocab_size']
  assert ours['words'] == released['words']
  assert ours['wordpieces_per_word'] < 1.01 * released['wordpieces_per_word']
  assert ours['unknown_word_share'] < 0.0005


def _run(tool: str, **flags) -> None:
  arguments = [f'--{name}={value}' for name, value in flags.items()]
  subprocess.run(
    [sys.executable, '-m', f'tools.{tool}', *arguments], check=True
  )
