"""Words counted in bounded memory."""

import collections

import pytest

from data.text import word_counts
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.word_counts import WordCounter, count_words
from system.errors import UserError


def _forget(_):
  raise AssertionError('no word should be forgotten')


def _corpus(path, text: str) -> Corpus:
  path.write_text(text)
  return Corpus(CorpusOptions(str(path)))


def test_words_are_separated_as_by_the_tokenizer(tmp_path):
  corpus = _corpus(tmp_path / 'text', 'The Café, the\ncafe!\n\nno. 7中文\n')
  counter = WordCounter(_forget)
  count_words(corpus, True, counter)
  assert {word.decode(): n for word, n in counter.counts.items()} == {
    'the': 2,
    'cafe': 2,
    ',': 1,
    '!': 1,
    'no': 1,
    '.': 1,
    '7': 1,
    '中': 1,
    '文': 1,
  }
  cased = WordCounter(_forget)
  count_words(corpus, False, cased)
  assert cased.counts[b'The'] == cased.counts['Café'.encode()] == 1


def test_the_rarer_half_is_forgotten_and_sums_stay_exact():
  forgotten = []
  counter = WordCounter(forgotten.append, max_words=3)
  counter.add([b'a', b'a', b'a', b'b', b'b', b'c'])
  assert not forgotten
  counter.add([b'd', b'a'])
  # The upper median of the counts 4, 2, 1, 1 is 2.
  assert forgotten == [{b'b': 2, b'c': 1, b'd': 1}]
  assert counter.counts == {b'a': 4}
  counter.add([b'b'])
  assert counter.counts == {b'a': 4, b'b': 1}


def test_kept_words_do_not_depend_on_the_number_of_threads(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(word_counts, '_BATCH_CHARACTERS', 8)
  documents = [f'the word{i} of the word{i % 7}' for i in range(40)]
  corpus = _corpus(tmp_path / 'text', '\n\n'.join(documents))
  results = []
  for num_workers in (1, 3):
    forgotten = collections.Counter()
    counter = WordCounter(forgotten.update, max_words=12)
    count_words(corpus, True, counter, num_workers)
    results.append((counter.counts, forgotten))
  assert results[0] == results[1]
  counts, forgotten = results[0]
  assert len(counts) <= 12
  assert (counts[b'the'], counts[b'of']) == (80, 40)
  assert (counts + forgotten).total() == 5 * 40


def test_a_corpus_without_text_is_refused(tmp_path):
  corpus = _corpus(tmp_path / 'text', '\n\n')
  with pytest.raises(UserError, match='no document'):
    count_words(corpus, True, WordCounter(_forget))
