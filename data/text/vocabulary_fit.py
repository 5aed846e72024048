"""Measures how well a vocabulary fits a text.

The numbers are exact. Examples come from the million or so most frequent words
(`data/text/word_counts.py`).

Tested by `tests/tools/check_vocab_test.py`.
"""

import collections
import heapq
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from data.text.corpus import Corpus
from data.text.tokenization import BertTokenizer
from data.text.vocabulary import MAX_CHARS_PER_WORD
from data.text.word_counts import Counts, WordCounter, count_words
from system.errors import UserError

_BATCH_WORDS = 1 << 16
_NUM_UNKNOWN = 20
_NUM_EXAMPLES = 10


def check(
  corpus: Corpus, tokenizer: BertTokenizer, num_workers: int | None = None
) -> dict[str, Any]:
  """Tokenises a corpus word by word.

  Args:
    corpus: the text.
    tokenizer: the tokenizer with the vocabulary.
    num_workers: number of threads; None for one per core.

  Returns:
    Counts, means, shares in [0, 1] and examples, as JSON values. A word that
    becomes [UNK] counts as one wordpiece; `characters_per_wordpiece` leaves
    such words out.

  Raises:
    UserError: the text cannot be read or contains no words.
  """
  return check_and_count(corpus, tokenizer, num_workers)[0]


def check_and_count(
  corpus: Corpus, tokenizer: BertTokenizer, num_workers: int | None = None
) -> tuple[dict[str, Any], np.ndarray]:
  """Tokenises a corpus word by word, and counts its wordpieces.

  Args:
    corpus: the text.
    tokenizer: the tokenizer with the vocabulary.
    num_workers: number of threads; None for one per core.

  Returns:
    The result of `check`, and how often each token occurs, int64 [V].

  Raises:
    UserError: as `check`.
  """
  totals = _Totals(tokenizer)
  counter = WordCounter(totals.add)
  count_words(corpus, tokenizer.do_lower_case, counter, num_workers)
  totals.add(counter.counts)
  examples = _examples(tokenizer, counter.counts)
  return totals.statistics() | examples, totals.token_counts


class _TokenizedWords(NamedTuple):
  """A batch of words and their wordpieces.

  Attributes:
    words: W words, UTF-8.
    counts: the count of each word, int64 [W].
    ids: the wordpieces of all words, concatenated, int32 [T].
    ends: the end of each word's wordpieces in `ids`, int64 [W].
    is_unknown: whether each word becomes [UNK], bool [W].
  """

  words: list[bytes]
  counts: np.ndarray
  ids: np.ndarray
  ends: np.ndarray
  is_unknown: np.ndarray

  @property
  def lengths(self) -> np.ndarray:
    """Number of wordpieces of each word, int64 [W]."""
    return np.diff(self.ends, prepend=0)

  def pieces(self, i: int) -> np.ndarray:
    """Returns the ids of word `i`."""
    return self.ids[self.ends[i] - self.lengths[i] : self.ends[i]]


def _tokenize(
  tokenizer: BertTokenizer, counts: Counts
) -> Iterator[_TokenizedWords]:
  """Tokenises words in batches."""
  items = iter(counts.items())
  while batch := list(itertools.islice(items, _BATCH_WORDS)):
    words, numbers = zip(*batch, strict=True)
    ids = tokenizer.tokenize(words)
    ends = ids.row_splits.numpy()[1:]
    flat = ids.values.numpy()
    yield _TokenizedWords(
      list(words),
      np.array(numbers, np.int64),
      flat,
      ends,
      flat[ends - 1] == tokenizer.unk_id,
    )


class _Totals:
  """Sums over all words, which are added in parts.

  Attributes:
    token_counts: how often each token occurs, int64 [V].
  """

  def __init__(self, tokenizer: BertTokenizer):
    self._tokenizer = tokenizer
    self._sums = collections.Counter()
    self.token_counts = np.zeros(tokenizer.vocab_size, np.int64)

  def add(self, counts: Counts) -> None:
    """Adds words and their counts."""
    for batch in _tokenize(self._tokenizer, counts):
      numbers, lengths = batch.counts, batch.lengths
      is_known = ~batch.is_unknown
      characters = np.array([len(word.decode()) for word in batch.words])
      self._sums.update(
        words=numbers.sum(),
        unknown=numbers[batch.is_unknown].sum(),
        wordpieces=(numbers * lengths).sum(),
        whole=numbers[is_known & (lengths == 1)].sum(),
        characters=(numbers * characters)[is_known].sum(),
      )
      np.add.at(self.token_counts, batch.ids, np.repeat(numbers, lengths))

  def statistics(self) -> dict[str, Any]:
    """Returns the counts, means and shares of `check`."""
    sums = {name: int(value) for name, value in self._sums.items()}
    if not sums.get('words'):
      raise UserError('there are no words in the text')
    words, wordpieces, unknown = (
      sums[name] for name in ('words', 'wordpieces', 'unknown')
    )
    tokens = self._tokenizer.tokens
    used = np.flatnonzero(self.token_counts).tolist()
    longest = sorted((tokens[i] for i in used), key=lambda t: (-len(t), t))
    return {
      'vocab_size': len(tokens),
      'do_lower_case': self._tokenizer.do_lower_case,
      'words': words,
      'wordpieces': wordpieces,
      'unknown_words': unknown,
      'unknown_word_share': unknown / words,
      'unknown_wordpiece_share': unknown / wordpieces,
      'wordpieces_per_word': wordpieces / words,
      'characters_per_wordpiece': (
        sums['characters'] / max(wordpieces - unknown, 1)
      ),
      'one_piece_word_share': sums['whole'] / words,
      'used_tokens': len(used),
      'used_token_share': len(used) / len(tokens),
      'longest_tokens': longest[:_NUM_EXAMPLES],
    }


def _examples(tokenizer: BertTokenizer, counts: Counts) -> dict[str, Any]:
  """Returns the most frequent unknown words and the most split words."""
  unknown, split = [], []
  for batch in _tokenize(tokenizer, counts):
    for i in np.flatnonzero(batch.is_unknown).tolist():
      unknown.append((-int(batch.counts[i]), batch.words[i]))
    unknown = heapq.nsmallest(_NUM_UNKNOWN, unknown)
    order = np.lexsort((batch.counts, batch.lengths))[-_NUM_EXAMPLES:]
    for i in order.tolist():
      pieces = [tokenizer.tokens[id_] for id_ in batch.pieces(i)]
      split.append(
        (-len(pieces), -int(batch.counts[i]), batch.words[i], pieces)
      )
    split = heapq.nsmallest(_NUM_EXAMPLES, split)
  return {
    'most_frequent_unknown_words': [
      {'word': _display_text(word), 'count': -count} for count, word in unknown
    ],
    'most_split_words': [
      {'word': _display_text(word), 'count': -count, 'wordpieces': pieces}
      for _, count, word, pieces in split
    ],
  }


def _display_text(word: bytes) -> str:
  """Returns a word as text, or a note in place of an overlong word."""
  text = word.decode()
  if len(text) > MAX_CHARS_PER_WORD:
    return f'(longer than {MAX_CHARS_PER_WORD} characters)'
  return text
