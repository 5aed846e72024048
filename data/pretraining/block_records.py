"""One block of documents → its pre-training records.

A record is a function of the block, the block's number, the record's number
and the options. So it does not matter who makes which records, or when.

Letters: N records, S sequence.
"""

import enum
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from data.pretraining import masking
from data.pretraining.masking import Special
from data.pretraining.options import Options
from data.pretraining.pairs import Block, Pairs, sample_pairs
from data.pretraining.randomness import permutation, stream_key
from system.compiled import compiled


class _Purpose(enum.IntEnum):
  """What random numbers are for; part of their key."""

  PAIRS = 0
  ORDER = 1
  MASKS = 2


class BlockRecords:
  """The records of one block, in the order in which they are written.

  Attributes:
    block: the documents.
    number: which block it is, counted from 0.
  """

  def __init__(
    self,
    block: Block,
    number: int,
    special: Special,
    options: Options,
    run: Callable[[Callable, Iterable], Iterator] = map,
  ):
    """Samples the pairs of all rounds and shuffles them together.

    Args:
      block: the documents.
      number: which block it is, counted from 0.
      special: the vocabulary's ids.
      options: what the records are to be.
      run: maps a function over the rounds, in order; may do it in threads.
    """
    self.block = block
    self.number = number
    self._special = special
    self._options = options
    rounds = run(self._round, range(options.dupe_factor))
    self._pairs = Pairs(*map(np.concatenate, zip(*rounds, strict=True)))
    self._order = permutation(self._key(_Purpose.ORDER), len(self))

  def __len__(self) -> int:
    return len(self._pairs.a_start)

  def columns(self, numbers: slice) -> dict[str, np.ndarray]:
    """Makes some of the records.

    Args:
      numbers: which, in the order in which they are written.

    Returns:
      The columns of `features.PRETRAINING`, each [N, k]; under dynamic masking
      those of `features.UNMASKED`.
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
        self._options.masking,
      )
      columns['masked_lm_positions'] = masks.positions
      columns['masked_lm_ids'] = masks.labels
      columns['masked_lm_weights'] = masks.weights
    return columns

  def _round(self, number: int) -> Pairs:
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
  tokens: np.ndarray, pairs: Pairs, special: Special, max_seq_length: int
) -> dict[str, np.ndarray]:
  """Makes `[CLS] A [SEP] B [SEP]`, padded with zeros.

  Args:
    tokens: int32 [T], what the pairs are spans of.
    pairs: the pairs, cut to fit.
    special: the ids to put in.
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
  for row in range(len(ids)):
    a, b = a_length[row], b_length[row]
    first_sep, last_sep = a + 1, a + b + 2
    # Loops: assigning to slices takes a second to compile, each.
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
