"""Medians, tables and ratios of measurements, worked out by hand."""

from benchmarks import comparison
from benchmarks.comparison import Measurement


def _measurement(title='a', **values):
  others = {
    'megabytes': 10.0,
    'seconds': 4.0,
    'cpu_seconds': 8.0,
    'peak_megabytes': 100.0,
    'records': 1000,
  }
  return Measurement(title, **others | values)


def test_medians_are_taken_of_each_number():
  runs = [
    _measurement(seconds=seconds, peak_megabytes=peak)
    for seconds, peak in [(3.0, 7.0), (1.0, 9.0), (2.0, 8.0)]
  ]
  median = comparison.median(runs)
  assert (median.seconds, median.peak_megabytes) == (2.0, 8.0)


def test_the_table_shows_speeds_and_failures():
  rows = [
    _measurement('ours', records=1234567),
    _measurement('theirs', failure='status 1: no'),
  ]
  _, ours, theirs = comparison.table(rows)
  assert ours.split() == 'ours 10.0 4.0 8.0 1,234,567 308,642 2.50 100'.split()
  assert theirs.split() == 'theirs failed: status 1: no'.split()


def test_ratios_are_taken_within_rounds():
  ours = [_measurement(seconds=seconds) for seconds in (1.0, 2.0, 10.0)]
  theirs = [_measurement(seconds=seconds) for seconds in (3.0, 8.0, 50.0)]
  ratio = comparison.ratios(ours, theirs)
  assert ratio['seconds'] == 4.0
  assert (ratio['seconds_min'], ratio['seconds_max']) == (3.0, 5.0)
  assert ratio['peak_megabytes'] == ratio['records'] == 1.0


def test_a_spread_has_the_median_and_both_ends():
  assert comparison.spread([3.0, 1.0, 1.5], 1) == '1.5 (1.0 to 3.0 in 3 rounds)'


def test_growth_leaves_the_start_up_time_out():
  rows = [
    _measurement(f'x{n}', megabytes=10.0 * n, seconds=5 + 2.0 * n)
    for n in (1, 2, 4)
  ]
  lines = comparison.growth_lines(rows)
  assert [line.split(': ')[0] for line in lines] == ['x1 to x2', 'x2 to x4']
  assert all('0.200 s per additional MB, 1.00 times' in x for x in lines)
