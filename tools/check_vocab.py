r"""Measures how well a vocabulary fits a text.

  python -m tools.check_vocab --input_file=heldout.txt --vocab_file=vocab.txt

For choosing a vocabulary. The tool tokenises the text and prints the share of
[UNK], the number of wordpieces per word, the share of the vocabulary that is
used, and examples. The numbers are exact. Examples come from the million or so
most frequent words (`data/text/word_counts.py`).
"""

import collections
import heapq
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from cli import corpus_flags, flag_group, script
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.vocabulary_options import TokenizerOptions
from data.text.word_counts import Counts, WordCounter, count_words
from system import files
from system.errors import UserError

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer

FLAGS = flags.FLAGS

_BATCH_WORDS = 1 << 16
_NUM_UNKNOWN = 20
_NUM_EXAMPLES = 10


def define_flags() -> None:
  """Defines this script's flags."""
  flag_group.define(CorpusOptions, TokenizerOptions)
  flags.DEFINE_string(
    'output_file', None, 'The JSON file to write; by default only printed.'
  )


def main(_: list[str]) -> None:
  """Reads the text and prints the result."""
  flag_group.require('input_file', 'vocab_file')
  corpus_flags.check()
  flag_group.refuse_if_given(['language'], 'sentences are not split')
  corpus = corpus_flags.corpus()
  if FLAGS.output_file:
    files.make_folder(os.path.dirname(FLAGS.output_file) or '.')
  from data.text.tokenization import BertTokenizer

  tokenizer = BertTokenizer(FLAGS.vocab_file, FLAGS.do_lower_case)
  result = check(corpus, tokenizer)
  if FLAGS.output_file:
    files.write_json(FLAGS.output_file, result)
  script.show([render(result)])


def check(
  corpus: Corpus, tokenizer: 'BertTokenizer', num_workers: int | None = None
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
  totals = _Totals(tokenizer)
  counter = WordCounter(totals.add)
  count_words(corpus, tokenizer.do_lower_case, counter, num_workers)
  totals.add(counter.counts)
  return totals.statistics() | _examples(tokenizer, counter.counts)


class _TokenisedWords(NamedTuple):
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


def _tokenise(
  tokenizer: 'BertTokenizer', counts: Counts
) -> Iterator[_TokenisedWords]:
  """Tokenises words in batches."""
  items = iter(counts.items())
  while batch := list(itertools.islice(items, _BATCH_WORDS)):
    words, numbers = zip(*batch, strict=True)
    ids = tokenizer.tokenize(words)
    ends = ids.row_splits.numpy()[1:]
    flat = ids.values.numpy()
    yield _TokenisedWords(
      list(words),
      np.array(numbers, np.int64),
      flat,
      ends,
      flat[ends - 1] == tokenizer.unk_id,
    )


class _Totals:
  """Sums over all words, which are added in parts."""

  def __init__(self, tokenizer: 'BertTokenizer'):
    self._tokenizer = tokenizer
    self._sums = collections.Counter()
    self._is_used = np.zeros(tokenizer.vocab_size, bool)

  def add(self, counts: Counts) -> None:
    """Adds words and their counts."""
    for batch in _tokenise(self._tokenizer, counts):
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
      self._is_used[batch.ids] = True

  def statistics(self) -> dict[str, Any]:
    """Returns the counts, means and shares of `check`."""
    sums = {name: int(value) for name, value in self._sums.items()}
    if not sums.get('words'):
      raise UserError('there are no words in the text')
    words, wordpieces, unknown = (
      sums[name] for name in ('words', 'wordpieces', 'unknown')
    )
    tokens = self._tokenizer.tokens
    used = np.flatnonzero(self._is_used).tolist()
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


def _examples(tokenizer: 'BertTokenizer', counts: Counts) -> dict[str, Any]:
  """Returns the most frequent unknown words and the most split words."""
  unknown, split = [], []
  for batch in _tokenise(tokenizer, counts):
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
  from data.text.tokenization import MAX_CHARS_PER_WORD

  text = word.decode()
  if len(text) > MAX_CHARS_PER_WORD:
    return f'(longer than {MAX_CHARS_PER_WORD} characters)'
  return text


def render(result: Mapping[str, Any]) -> str:
  """Formats the result of `check` as readable text."""
  rows = {
    'words': f'{result["words"]:,}',
    'wordpieces': f'{result["wordpieces"]:,}',
    'wordpieces per word': f'{result["wordpieces_per_word"]:.4f}',
    'characters per wordpiece': f'{result["characters_per_wordpiece"]:.2f}',
    'one-piece words': f'{100 * result["one_piece_word_share"]:.2f} %',
    'unknown words': f'{100 * result["unknown_word_share"]:.4f} %',
    'unknown wordpieces': f'{100 * result["unknown_wordpiece_share"]:.4f} %',
    'tokens used': (
      f'{100 * result["used_token_share"]:.1f} % '
      f'({result["used_tokens"]:,} of {result["vocab_size"]:,})'
    ),
  }
  lines = [f'{name:26}{value}' for name, value in rows.items()]
  lines += ['', 'most frequent unknown words']
  for item in result['most_frequent_unknown_words']:
    lines.append(f'  {item["count"]:>9,}  {item["word"]}')
  lines += ['', 'most split words']
  for item in result['most_split_words']:
    pieces = ' '.join(item['wordpieces'])
    lines.append(f'  {item["count"]:>9,}  {item["word"]}: {pieces}')
  lines += [
    '',
    'longest tokens used',
    f'  {" ".join(result["longest_tokens"])}',
  ]
  return '\n'.join(lines)


if __name__ == '__main__':
  define_flags()
  script.run(main)
