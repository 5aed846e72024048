"""What float16 needs besides: a loss that is scaled so that gradients survive.

bfloat16 has the exponents of float32 and needs none of this.
"""

import tensorflow as tf

_INITIAL_SCALE = 2.0**15
_LARGEST_SCALE = 2.0**127  # doubled it would be no float32
_GROWTH_STEPS = 2000


class LossScale(tf.Module):
  """The factor of the loss, and of the gradients until they are aggregated.

  Gradients below 6e-8 are zero in float16. The scale is doubled after 2,000
  steps in a row whose gradients are finite; a step whose gradients are not
  halves it, down to 1 at the least, and changes no weight. These are the
  defaults and the rules of tf_keras' LossScaleOptimizer (Micikevicius et al.
  2018, arXiv 1710.03740). Powers of two round nothing.

  All state is in variables, which a checkpoint holds.
  """

  def __init__(self, growth_steps: int = _GROWTH_STEPS):
    """Makes the state, under the strategy's scope."""
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
    """Counts a step and adapts the scale, in the cross-replica context.

    Args:
      is_finite: bool scalar, whether the step's gradients were.
    """
    good = tf.where(is_finite, self.good_steps + 1, 0)
    is_grown = good >= self._growth_steps
    larger = tf.minimum(self.value * 2.0, _LARGEST_SCALE)
    smaller = tf.maximum(self.value / 2.0, 1.0)
    kept = tf.where(is_grown, larger, self.value)
    self.value.assign(tf.where(is_finite, kept, smaller))
    self.good_steps.assign(tf.where(is_grown, tf.zeros_like(good), good))
    self.skipped_steps.assign_add(tf.cast(~is_finite, tf.int64))
