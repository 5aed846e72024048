"""Dropout whose masks are computed, not drawn.

A mask is a function of the run's seed, the step, the place in the model and the
example's index in the global batch. So one device and eight give the same
masks, and so does a run that was stopped and started again.
"""

from typing import NamedTuple

import tensorflow as tf

_PHILOX = 1  # TensorFlow's number for the Philox algorithm
_DECISIONS_PER_COUNTER = 8  # a counter gives 4 words of 32 bits, 2 each
_LEVELS = 1 << 16  # a decision compares 16 random bits


class DropoutKey(NamedTuple):
  """Everything that a step's masks depend on.

  Attributes:
    seed: the run's seed.
    step: int64 scalar.
    first_example: int64 scalar, the global batch's index of the first row that
      this replica holds.
    rate: stands for every rate in the model's configuration, if not None.
  """

  seed: int
  step: tf.Tensor
  first_example: tf.Tensor
  rate: float | None = None


class BlockSites(NamedTuple):
  """The places where one layer of the encoder drops."""

  attention_probabilities: int
  attention_output: int
  feed_forward_output: int


EMBEDDINGS_SITE = 0
HEAD_SITE = 1000


def block_sites(index: int) -> BlockSites:
  """Numbers the sites of layer `index`, counted from 0."""
  first = 1 + 3 * index
  return BlockSites(first, first + 1, first + 2)


def stateless_dropout(
  x: tf.Tensor, rate: float, key: DropoutKey | None, site: int
) -> tf.Tensor:
  """Zeroes a share of the values and scales the others up to make up for it.

  Each decision takes 16 random bits, so the rate is rounded to a multiple of
  1/65536 (0.1 to 0.1000061); the scale is that of the rounded rate, hence the
  expected value of each output is exactly its input.

  Args:
    x: float [B, ...]; row i is example `key.first_example + i`. A row's mask
      depends on the row's size, not on B.
    rate: the share to drop, in [0, 1); the key may have another.
    key: None for no dropout.
    site: the place in the model; no two places share one.

  Returns:
    A tensor of x's shape and dtype.
  """
  if key is not None and key.rate is not None:
    rate = key.rate
  dropped_levels = min(round(rate * _LEVELS), _LEVELS - 1)
  if key is None or not dropped_levels:
    return x
  keep = _random_levels(tf.shape(x), key, site) >= tf.constant(
    dropped_levels, tf.uint16
  )
  scale = _LEVELS / (_LEVELS - dropped_levels)
  return _keep_and_scale(x, keep, scale)


def _keep_and_scale(x: tf.Tensor, keep: tf.Tensor, scale: float) -> tf.Tensor:
  """Selects, forwards and backwards; only the boolean mask is kept between."""
  zero = tf.zeros([], x.dtype)

  @tf.custom_gradient
  def select(x):
    def gradient(upstream):
      return tf.where(keep, upstream * scale, zero)

    return tf.where(keep, x * scale, zero), gradient

  return select(x)


def _random_levels(shape: tf.Tensor, key: DropoutKey, site: int) -> tf.Tensor:
  """Returns uint16 random numbers, uniform over all 65,536 levels.

  A row takes a whole number of Philox counters, so that the row of example i
  begins at counter i * counters_per_row, whichever replica computes it.
  """
  row_size = tf.reduce_prod(shape[1:])
  counters_per_row = -(-row_size // _DECISIONS_PER_COUNTER)
  random_key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(
    seed=tf.stack([_mix(key.seed, site), tf.cast(key.step, tf.int64)])
  )
  first = tf.cast(key.first_example, tf.int64) * tf.cast(
    counters_per_row, tf.int64
  )
  # The low half of a fresh counter is 0: the addition never carries.
  words = tf.raw_ops.StatelessRandomUniformFullIntV2(
    shape=[shape[0], counters_per_row * 4],
    key=random_key,
    counter=counter + tf.cast(tf.stack([first, 0]), tf.uint64),
    alg=_PHILOX,
    dtype=tf.uint32,
  )
  levels = tf.reshape(tf.bitcast(words, tf.uint16), [shape[0], -1])
  return tf.reshape(levels[:, :row_size], shape)


def _mix(seed: int, site: int) -> tf.Tensor:
  """Joins seed and site into 31 bits, such that near seeds share no site.

  Compiled by XLA, StatelessRandomGetKeyCounter scrambles negative seeds, and
  seeds of more than 32 bits, otherwise than uncompiled.
  """
  return tf.constant((seed * 0x9E3779B1 + site) % (1 << 31), tf.int64)
