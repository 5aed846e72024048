"""Statistics of a tokenised text, counted by hand."""

import subprocess
import sys

import pytest

from data.text import vocabulary_fit, word_counts
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.tokenization import BertTokenizer
from system.errors import UserError
from tools import check_vocab

# fmt: off
TOKENS = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]',
  'the', 'un', '##aff', '##able', 'cafe', '!', '##never',
]
# fmt: on
# Words: the x 3, unaffable, cafe x 2, ! x 2, zz x 2, q, one overlong word.
TEXT = f'The unaffable café!\n\nthe the zz zz cafe ! q {"x" * 300}\n'


@pytest.fixture
def tokenizer(tmp_path) -> BertTokenizer:
  (tmp_path / 'vocab.txt').write_text('\n'.join(TOKENS) + '\n')
  return BertTokenizer(str(tmp_path / 'vocab.txt'), True)


def _check(tmp_path, tokenizer, text: str) -> dict:
  (tmp_path / 'text').write_text(text)
  corpus = Corpus(CorpusOptions(str(tmp_path / 'text')))
  return vocabulary_fit.check(corpus, tokenizer)


def test_shares_and_means_count_every_word(tmp_path, tokenizer):
  result = _check(tmp_path, tokenizer, TEXT)
  assert result['words'] == 12
  assert result['unknown_words'] == 4
  assert result['wordpieces'] == 14
  assert result['wordpieces_per_word'] == 14 / 12
  assert result['unknown_word_share'] == 4 / 12
  assert result['unknown_wordpiece_share'] == 4 / 14
  assert result['one_piece_word_share'] == 7 / 12
  # the the the unaffable cafe cafe ! !: 28 characters in 10 wordpieces.
  assert result['characters_per_wordpiece'] == 28 / 10
  # [UNK] the un ##aff ##able cafe !
  assert (result['used_tokens'], result['vocab_size']) == (7, 12)
  assert result['used_token_share'] == 7 / 12
  assert result['longest_tokens'][0] == '##able'


def test_examples_are_sorted_by_count_and_number_of_pieces(tmp_path, tokenizer):
  result = _check(tmp_path, tokenizer, TEXT)
  assert result['most_frequent_unknown_words'] == [
    {'word': 'zz', 'count': 2},
    {'word': 'q', 'count': 1},
    {'word': '(longer than 200 characters)', 'count': 1},
  ]
  first, second = result['most_split_words'][:2]
  assert first == {
    'word': 'unaffable',
    'count': 1,
    'wordpieces': ['un', '##aff', '##able'],
  }
  assert (second['word'], second['count']) == ('the', 3)


def test_twenty_unknown_words_are_listed(tmp_path, tokenizer):
  words = [f'w{i:02d}' for i in range(30)]
  result = _check(tmp_path, tokenizer, ' '.join([*words, *words[-3:]]))
  listed = [item['word'] for item in result['most_frequent_unknown_words']]
  assert listed == ['w27', 'w28', 'w29', *words[:17]]


def test_forgotten_words_are_counted(tmp_path, tokenizer, monkeypatch):
  expected = _check(tmp_path, tokenizer, TEXT)
  monkeypatch.setattr(word_counts, '_BATCH_CHARACTERS', 1)
  monkeypatch.setattr(
    vocabulary_fit,
    'WordCounter',
    lambda forget: word_counts.WordCounter(forget, max_words=2),
  )
  result = _check(tmp_path, tokenizer, TEXT)
  examples = {'most_frequent_unknown_words', 'most_split_words'}
  for name in expected.keys() - examples:
    assert result[name] == expected[name], name


def test_render_formats_the_numbers(tmp_path, tokenizer):
  lines = check_vocab.render(_check(tmp_path, tokenizer, TEXT)).splitlines()
  assert 'unknown words             33.3333 %' in lines
  assert 'tokens used               58.3 % (7 of 12)' in lines
  assert '          2  zz' in lines
  assert '          1  unaffable: un ##aff ##able' in lines


@pytest.mark.parametrize('name', ['text', 'vocab.txt'])
def test_an_input_is_no_output(tmp_path, tokenizer, name):
  _check(tmp_path, tokenizer, 'the\n')
  flags = {'input_file': 'text', 'vocab_file': 'vocab.txt', 'output_file': name}
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'tools.check_vocab'],
      *[f'--{flag}={tmp_path / value}' for flag, value in flags.items()],
    ],
    capture_output=True,
    text=True,
  )
  assert f"--output_file: '{tmp_path}/{name}' is also an input" in done.stderr


def test_a_text_without_words_is_rejected(tmp_path, tokenizer):
  with pytest.raises(UserError, match='no words in the text'):
    _check(tmp_path, tokenizer, '\x01\x02')
