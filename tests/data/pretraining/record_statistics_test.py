"""Statistics of pre-training records."""

import json

import numpy as np

from data.pretraining.record_statistics import RecordStatistics

# Two records of 3 and 5 tokens; 1 and 2 of them are masked.
COLUMNS = {
  'input_mask': np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.uint8),
  'masked_lm_weights': np.array([[1, 0], [1, 1]], np.float32),
  'next_sentence_labels': np.array([[0], [1]], np.uint8),
}


def test_batches_are_counted():
  statistics = RecordStatistics.of_batch(COLUMNS)
  assert statistics.records == 2
  assert statistics.length_counts.tolist() == [0, 0, 0, 1, 0, 1]
  assert (statistics.tokens, statistics.masked) == (8, 3)
  assert statistics.ratios() == {
    'mean_length': 4.0,
    'full_length_share': 0.5,
    'masked_share': 3 / 8,
    'random_next_share': 0.5,
  }


def test_statistics_add_up_and_survive_json():
  once = RecordStatistics.of_batch(COLUMNS)
  total = RecordStatistics.empty(5) + once + once
  again = RecordStatistics.from_json(json.loads(json.dumps(total.to_json())))
  assert (again.records, again.masked, again.random_next) == (4, 6, 2)
  np.testing.assert_array_equal(again.length_counts, 2 * once.length_counts)


def test_ratios_of_no_record_are_zero():
  assert set(RecordStatistics.empty(5).ratios().values()) == {0.0}


def test_records_without_masks_have_none():
  columns = {k: v for k, v in COLUMNS.items() if 'masked' not in k}
  assert RecordStatistics.of_batch(columns).masked == 0
