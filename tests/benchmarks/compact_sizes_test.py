"""The speed of the compact sizes: ratios, table, and one real measurement."""

import pytest

from benchmarks import compact_sizes
from modeling import configs


def test_ratios_are_taken_within_a_round():
  times = {'1': {'2/128': [1.0, 4.0, 2.0], '12/768': [50.0, 40.0, 60.0]}}
  tiny, base = compact_sizes.summarise(times)
  # 50, 10 and 30 times.
  assert tiny['times_base_1'] == 30
  assert tiny['milliseconds_1'] == 2
  assert tiny['paper_times_base'] == 52.2
  assert base['times_base_1'] == 1
  assert base['parameters'] == configs.count_parameters(
    configs.compact_config('12/768', 30_522)
  )


def test_the_table_has_a_row_for_each_size():
  found = compact_sizes.table([{'size': '2/128', 'a': 1}, {'size': 'x'}])
  assert found == [
    '| size | a |',
    '| --- | ---: |',
    '| 2/128 | 1 |',
    '| x |  |',
  ]


@pytest.mark.slow
def test_a_batch_is_timed():
  run = compact_sizes.make_scorer('2/128', 1, 8)
  assert compact_sizes.milliseconds(run) > 0
