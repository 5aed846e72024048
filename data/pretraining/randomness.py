"""Streams of random numbers that depend only on a seed and a purpose.

Each document and each record has its own stream, keyed by the seed and by the
numbers that identify it. So draws depend neither on the order in which threads
make them nor on NumPy's version. The generator is SplitMix64 (Steele, Lea and
Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014): a counter
with a constant step, whose bits are mixed.
"""

import hashlib

import numpy as np

from system.numba_jit import jit

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = (np.uint64(n) for n in (30, 27, 31, 11))
_2_TO_MINUS_53 = 2.0**-53


def stream_key(random_seed: int, *purpose: int) -> np.uint64:
  """Returns the key of a family of streams.

  Args:
    random_seed: any integer.
    *purpose: numbers that identify the family among those of this seed.
  """
  text = ' '.join(map(str, (random_seed, *purpose)))
  digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
  return np.uint64(int.from_bytes(digest, 'little'))


@jit
def mix(value):
  """Mixes the bits of a uint64."""
  value = (value ^ (value >> _30)) * _MIX_1
  value = (value ^ (value >> _27)) * _MIX_2
  return value ^ (value >> _31)


@jit
def stream(key, number):
  """Returns the first state of stream `number` of a family; uint64."""
  return mix(key + np.uint64(number + 1) * _STEP)


@jit
def uniform(state):
  """Draws a float64 from [0, 1); returns the next state and the draw."""
  state = state + _STEP
  return state, float(mix(state) >> _11) * _2_TO_MINUS_53


@jit
def below(state, count):
  """Draws an int64 from [0, count); returns the next state and the draw."""
  state, draw = uniform(state)
  return state, np.int64(draw * count)


@jit
def _sort_keys(key, count):
  keys = np.empty(count, np.uint64)
  for i in range(count):
    keys[i] = stream(key, i)
  return keys


def permutation(key: np.uint64, count: int) -> np.ndarray:
  """Returns the numbers 0 to count - 1 in random order; int64 [count]."""
  return np.argsort(_sort_keys(key, count), kind='stable')
