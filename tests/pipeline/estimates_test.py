"""Estimates of time and disk space."""

import pytest

from modeling import configs
from pipeline import estimates


def test_training_takes_three_forward_passes_and_an_update():
  config = configs.compact_config('4/256', 30522)
  scored = estimates.Work(config, 0, 1000, 16).seconds(100e9)
  trained = estimates.Work(config, 1000, 0, 16, batch=32).seconds(100e9)
  updates = 1000 / 32 * configs.count_parameters(config) * 3.2e-9
  assert trained - estimates.START_SECONDS == pytest.approx(
    3 * (scored - estimates.START_SECONDS) + updates
  )


def test_the_published_rates_are_estimated():
  # docs/speed.md: 1,580 and 383 examples of SST-2 a second.
  for size, rate in (('2/128', 1580), ('4/256', 383)):
    config = configs.compact_config(size, 30522)
    seconds = estimates.Work(config, 100_000, 0, 16, batch=32).seconds(203e9)
    estimated = 100_000 / (seconds - estimates.START_SECONDS)
    assert estimated == pytest.approx(rate, rel=0.2)


def test_the_rate_of_this_machine_is_positive():
  assert estimates.measured_rate() > 1e8


def test_disk_space_is_ten_times_the_weights():
  config = configs.compact_config('tiny', 30522)
  assert estimates.disk_bytes(config) == 40 * 4_385_920
  assert estimates.disk_bytes(config, config) == 80 * 4_385_920


@pytest.mark.parametrize(
  ('seconds', 'words'),
  [
    (23, 'under a minute'),
    (24, 'up to 1 min'),
    (59, 'up to 3 min'),
    (60, '1 to 3 min'),
    (700, '11 to 30 min'),
    (9000, '2.5 to 6.2 h'),
  ],
)
def test_times_in_words(seconds, words):
  assert estimates.about(seconds) == words
