"""One block of documents → batches of pre-training records.

The same block, number and options give the same records: what is drawn for a
round or a batch comes from a generator of its own, keyed by `random_seed` and
the numbers of block, round or batch. So it does not matter who makes which
batch, or when.
"""

import dataclasses
import enum
from collections.abc import Iterator

import numpy as np

from data import masking
from data.errors import UserError
from data.masking import Documents, Pairs, Special

# Records that are masked at once; their arrays fit a CPU's second cache.
BATCH_SIZE = 1024


class _Draw(enum.IntEnum):
  """What a generator is for; part of its key."""

  PAIRS = 0
  ORDER = 1
  MASKS = 2


@dataclasses.dataclass(frozen=True)
class Options:
  """What the records are to be: the flags of these names."""

  do_whole_word_mask: bool = False
  max_seq_length: int = 128
  max_predictions_per_seq: int = 20
  random_seed: int = 12345
  dupe_factor: int = 10
  masked_lm_prob: float = 0.15
  short_seq_prob: float = 0.1

  def check(self) -> None:
    """Raises a `UserError` that names the first value out of its range."""
    # [CLS] A [SEP] B [SEP] is 5 tokens.
    longest = masking.MAX_SEQ_LENGTH
    self._expect('max_seq_length', range(5, longest + 1), f'5 to {longest}')
    self._expect('max_predictions_per_seq', range(1, longest), '1 or more')
    self._expect('dupe_factor', range(1, 2**31), '1 or more')
    if not 0 < self.masked_lm_prob < 1:
      raise self._error('masked_lm_prob', 'more than 0 and less than 1')
    if not 0 <= self.short_seq_prob <= 1:
      raise self._error('short_seq_prob', '0 to 1')

  def _expect(self, name: str, values: range, expected: str) -> None:
    if getattr(self, name) not in values:
      raise self._error(name, expected)

  def _error(self, name: str, expected: str) -> UserError:
    return UserError(f'--{name} is {getattr(self, name)}; expected {expected}')


class BlockRecords:
  """The records of one block, in the order in which they are written."""

  def __init__(
    self, block: Documents, number: int, special: Special, options: Options
  ):
    """Samples the pairs of all rounds and shuffles them together.

    Args:
      block: the documents.
      number: which block it is, counted from 0.
      special: the vocabulary's ids.
      options: what the records are to be.
    """
    self._tokens = block.tokens
    self._number = number
    self._special = special
    self._options = options
    rounds = [
      masking.sample_pairs(
        block,
        options.max_seq_length,
        options.short_seq_prob,
        self._generator(_Draw.PAIRS, i),
      )
      for i in range(options.dupe_factor)
    ]
    self._pairs = Pairs(*map(np.concatenate, zip(*rounds, strict=True)))
    self._order = self._generator(_Draw.ORDER).permutation(len(self))

  def __len__(self) -> int:
    return len(self._pairs.a_start)

  def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches: the columns of `features.PRETRAINING`, each [N, k]."""
    for i, start in enumerate(range(0, len(self), BATCH_SIZE)):
      pairs = self._pairs.take(self._order[start : start + BATCH_SIZE])
      yield self._columns(pairs, self._generator(_Draw.MASKS, i))

  def _generator(self, draw: _Draw, *key: int) -> np.random.Generator:
    seed = self._options.random_seed
    return masking.generator(seed, self._number, draw, *key)

  def _columns(
    self, pairs: Pairs, rng: np.random.Generator
  ) -> dict[str, np.ndarray]:
    """Joins and masks the pairs of a batch."""
    options = self._options
    ids, is_text = masking.join_pairs(
      self._tokens, pairs, self._special, options.max_seq_length
    )
    starts = is_text
    if options.do_whole_word_mask:
      starts = is_text & ~self._special.continuation[ids]
    lengths = pairs.a_length + pairs.b_length + 3
    budget = masking.num_to_mask(
      lengths, options.masked_lm_prob, options.max_predictions_per_seq
    )
    chosen = masking.choose_masked(is_text, starts, budget, rng)
    masked = masking.replace_masked(
      ids, chosen, options.max_predictions_per_seq, self._special, rng
    )
    position = np.arange(options.max_seq_length)
    in_record = position < lengths[:, None]
    after_a = position > pairs.a_length[:, None] + 1
    return {
      'input_ids': masked.input_ids,
      'input_mask': in_record.astype(np.uint8),
      'segment_ids': (in_record & after_a).astype(np.uint8),
      'masked_lm_positions': masked.positions,
      'masked_lm_ids': masked.labels,
      'masked_lm_weights': masked.weights,
      'next_sentence_labels': pairs.is_random_next[:, None].astype(np.uint8),
    }
