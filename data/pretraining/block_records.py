"""One block of documents → its pre-training records.

A record depends only on the block, the block's number, the record's number and
the options. So any thread or machine may make any record at any time.

Letters: N records, S sequence.
"""

import enum
from collections.abc import Iterator

import numpy as np

from data.pretraining import masking
from data.pretraining.blocks import MapFunction
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import RecordOptions
from data.pretraining.pairs import Block, Pairs, sample_pairs
from data.pretraining.randomness import permutation, stream_key
from data.pretraining.record_statistics import RecordStatistics
from data.records import feature_spec, framing, serialization
from system.compiled import compiled

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
    self._special = special
    self._options = options
    rounds = map_function(self._sample_round, range(options.dupe_factor))
    self._pairs = Pairs(*map(np.concatenate, zip(*rounds, strict=True)))
    self._order = permutation(self._key(_Purpose.ORDER), len(self))

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
    order = self._order[numbers]
    pairs = self._pairs.take(order)
    columns = join_pairs(
      self.block.tokens, pairs, self._special, self._options.max_seq_length
    )
    if not self._options.dynamic_masking:
      masks = masking.mask(
        columns['input_ids'],
        pairs.a_length + pairs.b_length + 3,
        pairs.a_length + 1,
        masking.record_states(self._key(_Purpose.MASKS), order),
        self._special,
        self._options,
      )
      columns['masked_lm_positions'] = masks.positions
      columns['masked_lm_ids'] = masks.labels
      columns['masked_lm_weights'] = masks.weights
    return columns

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
    columns = self.columns(numbers)
    num_cut = int(self._pairs.num_cut[self._order[numbers]].sum())
    fields = feature_spec.PRETRAINING
    if self._options.dynamic_masking:
      fields = feature_spec.UNMASKED_PRETRAINING
    serialized = serialization.serialize(columns, fields)
    return framing.frame(serialized), RecordStatistics.of_batch(
      columns, num_cut
    )

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


def join_pairs(
  tokens: np.ndarray,
  pairs: Pairs,
  special: SpecialTokens,
  max_seq_length: int,
) -> dict[str, np.ndarray]:
  """Makes `[CLS] A [SEP] B [SEP]`, padded with zeros.

  Args:
    tokens: int32 [T], the tokens of which the pairs are spans.
    pairs: the pairs, truncated to fit.
    special: the ids of [CLS] and [SEP].
    max_seq_length: S.

  Returns:
    `input_ids`, int32 [N, S]; `input_mask` and `segment_ids`, uint8 [N, S];
    `next_sentence_labels`, uint8 [N, 1].
  """
  shape = (len(pairs.a_start), max_seq_length)
  ids = np.zeros(shape, np.int32)
  mask = np.zeros(shape, np.uint8)
  segments = np.zeros(shape, np.uint8)
  _join(tokens, *pairs[:4], special.cls_id, special.sep_id, ids, mask, segments)
  return {
    'input_ids': ids,
    'input_mask': mask,
    'segment_ids': segments,
    'next_sentence_labels': pairs.is_random_next[:, None].astype(np.uint8),
  }


@compiled
def _join(
  tokens,
  a_start,
  a_length,
  b_start,
  b_length,
  cls_id,
  sep_id,
  ids,
  mask,
  segments,
):
  """Fills `ids`, `mask` and `segments`, which are zero."""
  for row in range(len(ids)):
    a, b = a_length[row], b_length[row]
    first_sep, last_sep = a + 1, a + b + 2
    # Loops, because each assignment to a slice takes a second to compile.
    for i in range(a):
      ids[row, 1 + i] = tokens[a_start[row] + i]
    for i in range(b):
      ids[row, first_sep + 1 + i] = tokens[b_start[row] + i]
    ids[row, 0] = cls_id
    ids[row, first_sep] = sep_id
    ids[row, last_sep] = sep_id
    for position in range(last_sep + 1):
      mask[row, position] = 1
      segments[row, position] = position > first_sep
