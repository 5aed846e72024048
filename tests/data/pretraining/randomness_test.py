"""Streams of random numbers."""

import numpy as np

from data.pretraining import randomness
from data.pretraining.randomness import stream_key


def draws(key: np.uint64, number: int, count: int) -> np.ndarray:
  state = randomness.stream(key, number)
  values = []
  for _ in range(count):
    state, value = randomness.uniform(np.uint64(state))
    values.append(value)
  return np.array(values)


def test_generator_is_splitmix64():
  # The first outputs of its authors' Java code for seed 0.
  state, outputs = 0, []
  for _ in range(3):
    state = (state + int(randomness._STEP)) % 2**64
    outputs.append(int(randomness.mix(np.uint64(state))))
  assert outputs == [
    0xE220A8397B1DCDAF,
    0x6E789E6AA1B965F4,
    0x06C45D188009454F,
  ]


def test_keys_depend_on_seed_and_purpose_only():
  keys = {
    int(stream_key(seed, *purpose))
    for seed in (-5, 5, 2**70)
    for purpose in ((1, 2), (2, 1), (12,), ())
  }
  assert len(keys) == 12
  assert stream_key(-5, 1, 2) == stream_key(-5, 1, 2)


def test_uniform_fills_the_interval():
  values = draws(stream_key(0), 0, 20_000)
  assert values.min() >= 0 and values.max() < 1
  # Standard error of a share of 0.1: sqrt(0.09 / 20,000) = 0.0021.
  shares = np.histogram(values, 10, (0, 1))[0] / len(values)
  np.testing.assert_allclose(shares, 0.1, atol=0.01)


def test_neighbouring_streams_are_independent():
  key = stream_key(1)
  first = np.array([draws(key, i, 2)[0] for i in range(5_000)])
  # Standard error of a correlation: 1 / sqrt(5,000) = 0.014.
  assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.06
  assert len(set(first)) == len(first)


def test_below_draws_every_number():
  state = randomness.stream(stream_key(0), 0)
  counts = np.zeros(7)
  for _ in range(7_000):
    state, value = randomness.below(np.uint64(state), 7)
    counts[value] += 1
  assert abs(counts / 1_000 - 1).max() < 0.15


def test_permutation_holds_every_number_once():
  order = randomness.permutation(stream_key(3), 1000)
  assert sorted(order.tolist()) == list(range(1000))
  assert (order != np.arange(1000)).mean() > 0.98
  assert randomness.permutation(stream_key(3), 0).tolist() == []
