"""The records of one block."""

import numpy as np
import pytest

from data.pretraining import block_records, record_rows
from data.pretraining.block_records import BlockRecords
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import RecordOptions
from data.pretraining.pairs import Block, Pairs
from data.pretraining.randomness import stream_key
from data.records import feature_spec, framing, serialization

CLS, SEP, MASK = 1, 2, 3
SPECIAL = SpecialTokens(CLS, SEP, MASK, np.zeros(100, bool))
# Five documents of four sentences of three tokens; token i is 10 + i.
BLOCK = Block(
  np.arange(10, 70, dtype=np.int32), np.arange(0, 61, 3), np.arange(0, 21, 4)
)


def test_pairs_are_joined_and_padded():
  spans = (np.array(x) for x in ([0, 4], [3, 1], [7, 0], [2, 1]))
  pairs = Pairs(*spans, np.array([False, True]), np.array([0, 0]))
  options = RecordOptions(max_seq_length=9, dynamic_masking=True)
  recipe = record_rows.recipe_of(SPECIAL, options)
  order = np.array([1, 0])
  rows = record_rows.make_rows(
    BLOCK.tokens, pairs, order, stream_key(0), recipe
  )
  columns = record_rows.columns_of(rows, options)
  assert {name: value.tolist() for name, value in columns.items()} == {
    'input_ids': [
      [CLS, 14, SEP, 10, SEP, 0, 0, 0, 0],
      [CLS, 10, 11, 12, SEP, 17, 18, SEP, 0],
    ],
    'input_mask': [[1] * 5 + [0] * 4, [1] * 8 + [0]],
    'segment_ids': [[0] * 3 + [1] * 2 + [0] * 4, [0] * 5 + [1] * 3 + [0]],
    'next_sentence_labels': [[1], [0]],
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


@pytest.mark.parametrize('dynamic_masking', [False, True])
def test_framed_batches_hold_the_columns_and_count_them(dynamic_masking):
  records = make(dynamic_masking=dynamic_masking, max_predictions_per_seq=3)
  ((framed, statistics),) = records.framed_batches(range(9), map)
  columns = records.columns(slice(9))
  fields = feature_spec.PRETRAINING
  if dynamic_masking:
    fields = feature_spec.UNMASKED_PRETRAINING
  expected = framing.frame(serialization.serialize(columns, fields))
  assert framed.to_list() == expected.to_list()
  lengths = columns['input_mask'].sum(axis=1)
  assert (
    statistics.length_counts.tolist()
    == np.bincount(lengths, minlength=17).tolist()
  )
  labels = columns['next_sentence_labels']
  assert statistics.random_next == labels.sum() > 0
  masked = 0 if dynamic_masking else columns['masked_lm_weights'].sum()
  assert statistics.masked == masked
