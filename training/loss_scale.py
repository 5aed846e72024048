"""Dynamic loss scaling, which keeps small gradients above 0 in float16.

bfloat16 has float32's range of exponents and needs no scaling.

Tested by `tests/modeling/precision_test.py`.
"""

import tensorflow as tf

from training import replica_copy

_INITIAL_SCALE = 2.0**15
_LARGEST_SCALE = 2.0**127  # Twice that is infinite in float32.
_GROWTH_STEPS = 2000


class LossScale(tf.Module):
  """The factor of the loss, and of the gradients until they are aggregated.

  Gradients below 6e-8 are zero in float16. The scale doubles after 2,000
  consecutive steps with finite gradients. A step whose gradients are not finite
  halves it, but not below 1, and changes no weight. These are the rules and the
  defaults of tf_keras' LossScaleOptimizer (Micikevicius et al. 2018, arXiv
  1710.03740). Scaling by powers of two is exact.

  All state is in variables, so checkpoints hold it.
  """

  def __init__(self, growth_steps: int = _GROWTH_STEPS):
    """Makes the state, in the strategy's scope."""
    super().__init__(name='loss_scale')
    self._growth_steps = growth_steps
    self.value = tf.Variable(_INITIAL_SCALE, trainable=False, name='value')
    self.good_steps = tf.Variable(
      0, dtype=tf.int64, trainable=False, name='good_steps'
    )
    self.skipped_steps = tf.Variable(
      0, dtype=tf.int64, trainable=False, name='skipped_steps'
    )

  def update(self, is_finite: tf.Tensor) -> None:
    """Counts a step and adapts the scale, in the replica context.

    Args:
      is_finite: bool scalar, whether the step's gradients are finite.
    """
    good = tf.where(is_finite, self.good_steps + 1, 0)
    is_due = good >= self._growth_steps
    larger = tf.minimum(self.value * 2.0, _LARGEST_SCALE)
    smaller = tf.maximum(self.value / 2.0, 1.0)
    after_good = tf.where(is_due, larger, self.value)
    replica_copy.assign(self.value, tf.where(is_finite, after_good, smaller))
    replica_copy.assign(
      self.good_steps, tf.where(is_due, tf.zeros_like(good), good)
    )
    replica_copy.assign_add(self.skipped_steps, tf.cast(~is_finite, tf.int64))
