r"""Shows how a text is tokenised under a vocabulary.

  python -m tools.check_vocab --input_file=heldout.txt --vocab_file=vocab.txt

How much becomes [UNK], how finely words are cut, how much of the vocabulary is
used, and examples. The numbers are exact; examples are of the million words or
so that are seen most (`data/text/word_counts.py`).
"""

import collections
import heapq
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from cli import corpus_flags, flag_group, script, vocabulary_flags
from data.text.corpus import Corpus
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
  for group in (corpus_flags, vocabulary_flags):
    group.define()
    flags.adopt_module_key_flags(group)
  flags.DEFINE_string(
    'output_file', None, 'Gets the numbers as JSON, if given.'
  )


def main(_: list[str]) -> None:
  """Reads the text, and prints what came out."""
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
    tokenizer: has the vocabulary.
    num_workers: threads to use; one a core if not given.

  Returns:
    Counts, and means and shares from 0 to 1, as JSON can hold them. A word that
    becomes [UNK] is one wordpiece; `characters_per_wordpiece` is of the others.

  Raises:
    UserError: the text cannot be read, or there are no words in it.
  """
  statistics = _Tally(tokenizer)
  counter = WordCounter(statistics.add)
  count_words(corpus, tokenizer.do_lower_case, counter, num_workers)
  statistics.add(counter.counts)
  return statistics.numbers() | _examples(tokenizer, counter.counts)


class _Tokenised(NamedTuple):
  """Some words.

  Attributes:
    words: W of them.
    counts: how often each was seen, int64 [W].
    ids: all their wordpieces, int32 [T].
    ends: where each word's end, int64 [W].
    is_unknown: whether it is [UNK], bool [W].
  """

  words: list[bytes]
  counts: np.ndarray
  ids: np.ndarray
  ends: np.ndarray
  is_unknown: np.ndarray

  @property
  def lengths(self) -> np.ndarray:
    """The number of wordpieces of each word, int64 [W]."""
    return np.diff(self.ends, prepend=0)

  def pieces(self, i: int) -> np.ndarray:
    """The ids of word `i`."""
    return self.ids[self.ends[i] - self.lengths[i] : self.ends[i]]


def _tokenise(
  tokenizer: 'BertTokenizer', counts: Counts
) -> Iterator[_Tokenised]:
  """Tokenises words, a batch at a time."""
  items = iter(counts.items())
  while batch := list(itertools.islice(items, _BATCH_WORDS)):
    words, numbers = zip(*batch, strict=True)
    ids = tokenizer.tokenize(words)
    ends = ids.row_splits.numpy()[1:]
    flat = ids.values.numpy()
    yield _Tokenised(
      list(words),
      np.array(numbers, np.int64),
      flat,
      ends,
      flat[ends - 1] == tokenizer.unk_id,
    )


class _Tally:
  """Sums over words, which may be added in parts."""

  def __init__(self, tokenizer: 'BertTokenizer'):
    self._tokenizer = tokenizer
    self._sums = collections.Counter()
    self._is_used = np.zeros(tokenizer.vocab_size, bool)

  def add(self, counts: Counts) -> None:
    """Adds words."""
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

  def numbers(self) -> dict[str, Any]:
    """Returns what the sums come to; see `check`."""
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
  """Returns the most frequent unknown words and those cut most."""
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
      {'word': _shown(word), 'count': -count} for count, word in unknown
    ],
    'most_split_words': [
      {'word': _shown(word), 'count': -count, 'wordpieces': pieces}
      for _, count, word, pieces in split
    ],
  }


def _shown(word: bytes) -> str:
  """Returns a word as text; those that are too long have no text."""
  from data.text.tokenization import MAX_CHARS_PER_WORD

  text = word.decode()
  if len(text) > MAX_CHARS_PER_WORD:
    return f'(longer than {MAX_CHARS_PER_WORD} characters)'
  return text


def render(result: Mapping[str, Any]) -> str:
  """Returns the result of `check` for people to read."""
  rows = {
    'words': f'{result["words"]:,}',
    'wordpieces': f'{result["wordpieces"]:,}',
    'wordpieces per word': f'{result["wordpieces_per_word"]:.4f}',
    'characters per wordpiece': f'{result["characters_per_wordpiece"]:.2f}',
    'words of one piece': f'{100 * result["one_piece_word_share"]:.2f} %',
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
  lines += ['', 'words cut most']
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
