"""The records of one block."""

import numpy as np
import pytest

from data.pretraining import block_records
from data.pretraining.block_records import BlockRecords
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import RecordOptions
from data.pretraining.pairs import Block, Pairs

CLS, SEP, MASK = 1, 2, 3
SPECIAL = SpecialTokens(CLS, SEP, MASK, np.zeros(100, bool))
# Five documents of four sentences of three tokens; token i is 10 + i.
BLOCK = Block(
  np.arange(10, 70, dtype=np.int32), np.arange(0, 61, 3), np.arange(0, 21, 4)
)


def test_pairs_are_joined_and_padded():
  spans = (np.array(x) for x in ([0, 4], [3, 1], [7, 0], [2, 1]))
  pairs = Pairs(*spans, np.array([False, True]), np.array([0, 0]))
  columns = block_records.join_pairs(BLOCK.tokens, pairs, SPECIAL, 9)
  assert {name: value.tolist() for name, value in columns.items()} == {
    'input_ids': [
      [CLS, 10, 11, 12, SEP, 17, 18, SEP, 0],
      [CLS, 14, SEP, 10, SEP, 0, 0, 0, 0],
    ],
    'input_mask': [[1] * 8 + [0], [1] * 5 + [0] * 4],
    'segment_ids': [[0] * 5 + [1] * 3 + [0], [0] * 3 + [1] * 2 + [0] * 4],
    'next_sentence_labels': [[0], [1]],
  }


def make(**options) -> BlockRecords:
  defaults = {'max_seq_length': 16, 'dupe_factor': 3}
  return BlockRecords(
    BLOCK, 0, SPECIAL, RecordOptions(**{**defaults, **options})
  )


@pytest.mark.parametrize('dynamic_masking', [False, True])
def test_a_record_does_not_depend_on_the_slice_that_makes_it(dynamic_masking):
  records = make(dynamic_masking=dynamic_masking)
  assert len(records) > 15
  together = records.columns(slice(2, 9))
  alone = records.columns(slice(5, 6))
  assert ('masked_lm_ids' in alone) != dynamic_masking
  for name, column in alone.items():
    np.testing.assert_array_equal(column, together[name][3:4])


def test_rounds_are_shuffled_together():
  records = make(dynamic_masking=True)
  first_tokens = records.columns(slice(None))['input_ids'][:, 1]
  # Each round has the documents in order; unshuffled, they would ascend thrice.
  assert (np.diff(first_tokens) < 0).sum() > 2


def test_framed_batches_hold_the_numbers_that_exist(monkeypatch):
  monkeypatch.setattr(block_records, '_BATCH_SIZE', 4)
  records = make()
  last = len(records)
  batches = list(records.framed_batches(range(last - 6, last + 9), map))
  assert [statistics.records for _, statistics in batches] == [4, 2]
  assert [len(framed.ends) for framed, _ in batches] == [4, 2]
  assert list(records.framed_batches(range(last, last + 9), map)) == []
