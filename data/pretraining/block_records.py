"""One block of documents → its pre-training records.

A record depends only on the block, the block's number, the record's number and
the options. So any thread or machine may make any record at any time.

Letters: N records.
"""

import enum
from collections.abc import Iterator

import numpy as np

from data.pretraining import record_rows
from data.pretraining.blocks import MapFunction
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import RecordOptions
from data.pretraining.pairs import Block, Pairs, sample_pairs
from data.pretraining.randomness import permutation, stream_key
from data.pretraining.record_statistics import RecordStatistics
from data.records import framing, serialization

# Records made in one batch; their arrays fit a CPU's second-level cache.
_BATCH_SIZE = 1024


class _Purpose(enum.IntEnum):
  """The purpose of random numbers; part of the keys of their streams."""

  PAIRS = 0
  ORDER = 1
  MASKS = 2


class BlockRecords:
  """The records of one block, in the order in which they are written.

  Attributes:
    block: the documents.
    number: the block's number, from 0.
  """

  def __init__(
    self,
    block: Block,
    number: int,
    special: SpecialTokens,
    options: RecordOptions,
    map_function: MapFunction = map,
  ):
    """Samples pairs in `dupe_factor` rounds and shuffles them together.

    Args:
      block: the documents.
      number: the block's number, from 0.
      special: the special tokens of the vocabulary.
      options: the settings of the records.
      map_function: maps a function over the rounds.
    """
    self.block = block
    self.number = number
    self._options = options
    rounds = map_function(self._sample_round, range(options.dupe_factor))
    self._pairs = Pairs(*map(np.concatenate, zip(*rounds, strict=True)))
    self._order = permutation(self._key(_Purpose.ORDER), len(self))
    self._mask_key = self._key(_Purpose.MASKS)
    self._recipe = record_rows.recipe_of(special, options)

  def __len__(self) -> int:
    return len(self._pairs.a_start)

  def columns(self, numbers: slice) -> dict[str, np.ndarray]:
    """Makes some of the records.

    Args:
      numbers: the records' numbers, in the order in which they are written.

    Returns:
      The columns of `feature_spec.PRETRAINING`, each [N, k]; under dynamic
      masking those of `feature_spec.UNMASKED_PRETRAINING`.
    """
    rows = record_rows.make_rows(*self._ingredients(numbers))
    return record_rows.columns_of(rows, self._options)

  def framed_batches(
    self, numbers: range, map_function: MapFunction
  ) -> Iterator[tuple[serialization.Serialized, RecordStatistics]]:
    """Makes some of the records, batch by batch.

    Args:
      numbers: the records' numbers; numbers beyond the last are ignored.
      map_function: maps a function over the batches.

    Yields:
      Framed records and their statistics.
    """
    stop = min(numbers.stop, len(self))
    batches = (
      slice(start, min(start + _BATCH_SIZE, stop))
      for start in range(numbers.start, stop, _BATCH_SIZE)
    )
    return map_function(self._frame_batch, batches)

  def _frame_batch(
    self, numbers: slice
  ) -> tuple[serialization.Serialized, RecordStatistics]:
    framed, ends, *sums = record_rows.make_framed(
      *self._ingredients(numbers), framing.TABLES
    )
    return (
      serialization.Serialized(framed, ends),
      RecordStatistics(len(ends), *sums),
    )

  def _ingredients(self, numbers: slice) -> tuple:
    """Returns the arguments of `record_rows.make_rows`."""
    tokens, order = self.block.tokens, self._order[numbers]
    return tokens, self._pairs, order, self._mask_key, self._recipe

  def _sample_round(self, number: int) -> Pairs:
    return sample_pairs(
      self.block,
      self._options.max_seq_length,
      self._options.short_seq_prob,
      self._options.sentence_order_prediction,
      self._key(_Purpose.PAIRS, number),
    )

  def _key(self, purpose: _Purpose, *more: int) -> np.uint64:
    seed = self._options.random_seed
    return stream_key(seed, self.number, int(purpose), *more)
