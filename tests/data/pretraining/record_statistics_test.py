"""Statistics of pre-training records."""

import json

import numpy as np
import pytest

from data.pretraining.record_statistics import RecordStatistics

# Two records of 3 and 5 tokens; 1 and 2 of them are masked.
SUMS = RecordStatistics(2, np.array([0, 0, 0, 1, 0, 1]), 3, 1, 6)


def test_ratios_follow_from_the_sums():
  assert SUMS.tokens == 8
  assert SUMS.ratios() == {
    'mean_length': 4.0,
    'full_length_share': 0.5,
    'masked_share': 3 / 8,
    'random_next_share': 0.5,
    'cut_share': 6 / (6 + 8 - 2 * 3),
  }
  assert str(SUMS) == (
    '2 records, mean length 4.0 tokens, 37.50% masked, 50.00% random next, '
    '75.00% of the tokens cut off'
  )


def test_statistics_add_up_and_survive_json():
  total = RecordStatistics.empty(5) + SUMS + SUMS
  again = RecordStatistics.from_json(json.loads(json.dumps(total.to_json())))
  assert (again.records, again.masked, again.random_next) == (4, 6, 2)
  assert again.cut == 12
  np.testing.assert_array_equal(again.length_counts, 2 * SUMS.length_counts)


def _warnings(caplog, num_records, random_next, cut):
  counts = np.zeros(11, np.int64)
  counts[10] = num_records
  RecordStatistics(num_records, counts, 0, random_next, cut).warn()
  return caplog.messages


@pytest.mark.parametrize(
  ('random_next', 'cut', 'expected'),
  [
    (29, 105, []),  # A third of 7 * 30 + 105 tokens.
    (29, 106, ['34% of the tokens of all pairs were cut off']),
    (29, 1890, ['90% of the tokens of all pairs were cut off']),
    (30, 0, ['all 30 records have the label 1']),
    (30, 210, ['50% of the tokens', 'all 30 records']),
  ],
)
def test_lost_text_and_labels_that_are_all_1_are_warned_of(
  caplog, random_next, cut, expected
):
  messages = _warnings(caplog, 30, random_next, cut)
  assert len(messages) == len(expected)
  for message, beginning in zip(messages, expected, strict=True):
    assert message.startswith(beginning)
  assert all(
    '`max_seq_length`=10 ' in text for text in messages[:1] if cut > 105
  )


def test_few_records_may_all_be_random_by_chance(caplog):
  assert not _warnings(caplog, 19, 19, 0)


def test_ratios_of_no_record_are_zero():
  assert set(RecordStatistics.empty(5).ratios().values()) == {0.0}
