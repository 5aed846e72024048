"""Dropout with reproducible masks.

A mask is a function of the run's seed, the step, the site in the model and the
example's index in the global batch. So neither the number of devices nor
resuming changes the masks.
"""

from typing import NamedTuple

import tensorflow as tf

_PHILOX = 1  # TensorFlow's number for the Philox algorithm
_DECISIONS_PER_COUNTER = 8  # 4 words of 32 bits, 2 decisions a word
_LEVELS = 1 << 16  # a decision takes 16 random bits


class DropoutKey(NamedTuple):
  """Everything that determines a step's masks.

  Attributes:
    seed: the run's seed.
    step: int64 scalar.
    first_example: int64 scalar, the index in the global batch of this
      replica's first example.
    rate: replaces every dropout rate of the model; None keeps them.
  """

  seed: int
  step: tf.Tensor
  first_example: tf.Tensor
  rate: float | None = None


class BlockSites(NamedTuple):
  """The numbers of one encoder layer's dropout sites."""

  attention_probabilities: int
  attention_output: int
  feed_forward_output: int


EMBEDDINGS_SITE = 0
HEAD_SITE = 1000


def block_sites(index: int) -> BlockSites:
  """Returns the sites of layer `index`, counted from 0.

  >>> tuple(block_sites(0)), tuple(block_sites(1))
  ((1, 2, 3), (4, 5, 6))
  """
  first = 1 + 3 * index
  return BlockSites(first, first + 1, first + 2)


def stateless_dropout(
  x: tf.Tensor, rate: float, key: DropoutKey | None, site: int
) -> tf.Tensor:
  """Zeroes a share of the values and scales up the others.

  Each decision takes 16 random bits, so the rate is rounded to a multiple of
  1/65536 (0.1 to 0.1000061). The scale is 1 / (1 - rounded rate), so that the
  expected value of each output equals its input.

  >>> step = tf.constant(0, tf.int64)
  >>> key = DropoutKey(seed=0, step=step, first_example=step)
  >>> stateless_dropout(tf.ones([2, 6]), 0.5, key, site=0).numpy()
  array([[0., 2., 0., 2., 0., 0.],
         [2., 0., 0., 0., 0., 2.]], dtype=float32)

  Args:
    x: float [B, ...]; row i is example `key.first_example + i`. A row's mask
      depends on the row's size, not on B.
    rate: the share to drop, in [0, 1). `key.rate` overrides it.
    key: None for no dropout.
    site: the number of the site in the model; each site has its own.

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
  """Applies a mask; the gradient keeps only the boolean mask in memory."""
  zero = tf.zeros([], x.dtype)

  @tf.custom_gradient
  def select(x):
    def gradient(upstream):
      return tf.where(keep, upstream * scale, zero)

    return tf.where(keep, x * scale, zero), gradient

  return select(x)


def _random_levels(shape: tf.Tensor, key: DropoutKey, site: int) -> tf.Tensor:
  """Returns uint16 random numbers of a shape, uniform over all 65,536 levels.

  A row takes a whole number of Philox counters: the row of example i begins at
  counter i * counters_per_row on every replica.
  """
  row_size = tf.reduce_prod(shape[1:])
  counters_per_row = -(-row_size // _DECISIONS_PER_COUNTER)
  random_key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(
    seed=tf.stack([_site_seed(key.seed, site), tf.cast(key.step, tf.int64)])
  )
  first = tf.cast(key.first_example, tf.int64) * tf.cast(
    counters_per_row, tf.int64
  )
  # The low half of a fresh counter is 0, so the addition never carries.
  words = tf.raw_ops.StatelessRandomUniformFullIntV2(
    shape=[shape[0], counters_per_row * 4],
    key=random_key,
    counter=counter + tf.cast(tf.stack([first, 0]), tf.uint64),
    alg=_PHILOX,
    dtype=tf.uint32,
  )
  levels = tf.reshape(tf.bitcast(words, tf.uint16), [shape[0], -1])
  return tf.reshape(levels[:, :row_size], shape)


def _site_seed(seed: int, site: int) -> tf.Tensor:
  """Combines seed and site into 31 bits; neighbouring seeds share no value.

  StatelessRandomGetKeyCounter gives other keys under XLA than without it if a
  seed is negative or has more than 32 bits. Hence 31 bits.
  """
  return tf.constant((seed * 0x9E3779B1 + site) % (1 << 31), tf.int64)
