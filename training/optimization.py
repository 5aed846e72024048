"""Optimizers: AdamW with google-research/bert's schedule, and LAMB.

AdamW's update is Adam's without bias correction, with decoupled weight decay of
all variables except LayerNorm and biases, after the gradients' global norm is
clipped to 1.0. Sources: Kingma & Ba 2015 (Adam), Loshchilov & Hutter 2019
(decoupled decay). LAMB (You et al. 2020) rescales that update, see `Lamb`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from training import replica_copy
from training.loss_scale import LossScale

# Variables whose names contain one of these have no weight decay, as in BERT.
_WITHOUT_DECAY = ('LayerNorm', 'layer_norm', 'bias')


def learning_rate_at(
  step: tf.Tensor, peak: float, num_steps: int, num_warmup_steps: int
) -> tf.Tensor:
  """Computes the learning rate of one step.

  It rises linearly from 0 during the warm-up. After that it is on the
  straight line from `peak` at step 0 to 0 at `num_steps`. As in BERT, that line
  does not start at the end of the warm-up, so the rate drops a little there.

  Args:
    step: int64 scalar, the number of steps done before this one.
    peak: the rate at which the line starts.
    num_steps: steps of the whole run; from there on the rate is 0.
    num_warmup_steps: steps of the warm-up; 0 for none.

  Returns:
    float32 scalar.
  """
  done = tf.cast(step, tf.float32)
  remaining = 1.0 - tf.minimum(done, float(num_steps)) / float(num_steps)
  decayed = peak * remaining
  if not num_warmup_steps:
    return decayed
  warm = peak * done / float(num_warmup_steps)
  return tf.where(done < float(num_warmup_steps), warm, decayed)


class _StepScalars(NamedTuple):
  """The scalars of one step, float32."""

  rate: tf.Tensor
  beta_1: tf.Tensor | float
  beta_2: tf.Tensor | float
  beta_1_power: tf.Tensor | float
  beta_2_power: tf.Tensor | float


class AdamW(tf.Module):
  """Updates variables from aggregated gradients, and counts the steps.

  Create it in the strategy's scope, after the variables. A checkpoint must hold
  its slots and its step for a run to resume.
  """

  def __init__(
    self,
    variables: Sequence[tf.Variable],
    learning_rate: float,
    num_steps: int,
    num_warmup_steps: int,
    bias_correction: bool = False,
    rate_factors: Sequence[float] | None = None,
    loss_scale: LossScale | None = None,
  ):
    """Creates the slots.

    Args:
      variables: float32 variables, named as in released BERT; the names decide
        which have weight decay.
      learning_rate: the peak, see `learning_rate_at`.
      num_steps: steps of the whole run.
      num_warmup_steps: steps of the warm-up.
      bias_correction: whether to divide the moments by 1 - beta^t, as Adam does
        and BERT does not.
      rate_factors: one for each variable; it multiplies the learning rate and
        therefore the decay. None for 1.
      loss_scale: scales the loss and the gradients, for float16. With it, a
        step whose gradients are not finite changes neither weights nor moments.
    """
    super().__init__(name='optimizer')
    self.beta_1, self.beta_2, self.epsilon = 0.9, 0.999, 1e-6
    self.clip_norm, self.weight_decay_rate = 1.0, 0.01
    self.loss_scale = loss_scale
    self._schedule = (learning_rate, num_steps, num_warmup_steps)
    self._bias_correction = bias_correction
    self._variables = list(variables)
    self._rate_factors = rate_factors or [1.0] * len(variables)
    self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name='step')
    self._m = [_slot(v, 'adam_m') for v in variables]
    self._v = [_slot(v, 'adam_v') for v in variables]

  def last_learning_rate(self) -> tf.Tensor:
    """Returns the rate that the last step used, float32 scalar."""
    return learning_rate_at(self.step - 1, *self._schedule)

  def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
    """Returns the loss to differentiate: multiplied by the loss scale."""
    return loss * self.loss_scale.value if self.loss_scale else loss

  def apply(
    self,
    gradients: Sequence[tf.Tensor | None],
    are_losses_finite: tf.Tensor | bool = True,
  ) -> dict[str, tf.Tensor]:
    """Clips and applies gradients that are already summed over replicas.

    Call it in the replica context. Clipping uses the norm of the aggregated
    gradients, because the norms of each replica's own gradients depend on the
    number of replicas.

    Args:
      gradients: the gradients of `scale_loss`'s result, one for each variable,
        dense and of its shape; None for a variable that the loss does not
        depend on, which then does not change and does not decay, as in BERT.
      are_losses_finite: bool scalar. With a loss scale, the step is skipped if
        this is false or the gradients are not finite.

    Returns:
      `gradient_norm`, float32 scalar, the global norm before clipping. With a
      loss scale also `loss_scale`, and `skipped_steps`, 1 if this step is
      skipped, else 0. A skipped step has a `gradient_norm` of 0.
    """
    if not self.loss_scale:
      clipped, norm = tf.clip_by_global_norm(list(gradients), self.clip_norm)
      self._update_all(clipped)
      return {'gradient_norm': norm}
    scale = tf.identity(self.loss_scale.value)  # Before `update` changes it.
    unscaled = [None if x is None else x / scale for x in gradients]
    clipped, norm = tf.clip_by_global_norm(unscaled, self.clip_norm)
    is_finite = tf.math.is_finite(norm) & are_losses_finite
    clipped = [
      None if x is None else tf.where(is_finite, x, 0.0) for x in clipped
    ]
    self._update_all(clipped, is_finite)
    return {
      'gradient_norm': tf.where(is_finite, norm, 0.0),
      'loss_scale': scale,
      'skipped_steps': tf.cast(~is_finite, tf.float32),
    }

  def _update_all(self, gradients, is_finite=None) -> None:
    """Updates this replica's copy of every variable."""
    scalars = self._scalars(is_finite)
    # All at once: a wrong number of gradients is an error before any update.
    columns = self._variables, gradients, self._m, self._v, self._rate_factors
    for variable, gradient, m, v, factor in list(zip(*columns, strict=True)):
      if gradient is None:
        continue
      decay = self.weight_decay_rate if has_weight_decay(variable.name) else 0.0
      own = scalars
      if factor != 1.0:
        own = scalars._replace(rate=scalars.rate * factor)
      self._update_one(variable, gradient, m, v, decay, own)
    if is_finite is not None:
      self.loss_scale.update(is_finite)
    replica_copy.assign_add(self.step, 1)

  def _scalars(self, is_finite: tf.Tensor | None) -> _StepScalars:
    """Computes the scalars of the current step.

    A skipped step counts as a step, because the order of the examples, the
    learning rate and the checkpoints depend on the step's number. Only the bias
    correction counts the updates of the moments instead.
    """
    rate = learning_rate_at(self.step, *self._schedule)
    beta_powers = (0.0, 0.0)
    if self._bias_correction:
      updates = self.step + 1
      if self.loss_scale:
        # At least 1: with 0 the correction would divide by 0.
        updates = tf.maximum(updates - self.loss_scale.skipped_steps, 1)
      t = tf.cast(updates, tf.float32)
      beta_powers = tf.pow(self.beta_1, t), tf.pow(self.beta_2, t)
    scalars = _StepScalars(rate, self.beta_1, self.beta_2, *beta_powers)
    if is_finite is None:
      return scalars
    # In a skipped step both updates are exactly zero:
    # moments + 0 * (0 - moments), weights - 0 * update.
    return scalars._replace(
      rate=tf.where(is_finite, rate, 0.0),
      beta_1=tf.where(is_finite, self.beta_1, 1.0),
      beta_2=tf.where(is_finite, self.beta_2, 1.0),
    )

  def _update_one(self, variable, gradient, m, v, decay, scalars: _StepScalars):
    """Updates this replica's copy of one variable and of its slots.

    TensorFlow's kernel reads memory once; separate ops would read it ten times.
    It subtracts

      rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

    With both powers 0, this is BERT's update. With bias correction it is Kingma
    & Ba's, because epsilon is multiplied by sqrt(1 - beta_2^t) below.
    """
    if decay:
      # First, because the decay applies to the weight before the update.
      kept = 1.0 - scalars.rate * decay
      replica_copy.assign(variable, kept * variable)
    tf.raw_ops.ResourceApplyAdam(
      var=variable.handle,
      m=m.handle,
      v=v.handle,
      beta1_power=scalars.beta_1_power,
      beta2_power=scalars.beta_2_power,
      lr=scalars.rate,
      beta1=scalars.beta_1,
      beta2=scalars.beta_2,
      epsilon=self.epsilon * tf.sqrt(1.0 - scalars.beta_2_power),
      grad=gradient,
    )


class Lamb(AdamW):
  """AdamW's update, decay included, scaled to the norm of the weights.

  Source: You et al. 2020 (arXiv 1904.00962), algorithm 2, with the identity for
  phi: the update of a variable w is multiplied by its trust ratio,
  |w| / |update| (2-norms over the whole variable; 1 if one of them is 0).
  LayerNorm and biases, which do not decay, have no trust ratio, as in
  tf-models-official. Set `bias_correction`, because the paper corrects the bias
  of the moments.
  """

  def _update_one(self, variable, gradient, m, v, decay, scalars: _StepScalars):
    beta_1, beta_2 = scalars.beta_1, scalars.beta_2
    next_m = beta_1 * m + (1.0 - beta_1) * gradient
    next_v = beta_2 * v + (1.0 - beta_2) * tf.square(gradient)
    replica_copy.assign(m, next_m)
    replica_copy.assign(v, next_v)
    mean = next_m / (1.0 - scalars.beta_1_power)
    deviation = tf.sqrt(next_v / (1.0 - scalars.beta_2_power))
    update = mean / (deviation + self.epsilon)
    if decay:
      update += decay * variable
      update *= _trust_ratio(variable, update)
    replica_copy.assign(variable, variable - scalars.rate * update)


def _trust_ratio(variable: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
  size, update_size = tf.norm(variable), tf.norm(update)
  are_positive = (size > 0.0) & (update_size > 0.0)
  return tf.where(are_positive, tf.math.divide_no_nan(size, update_size), 1.0)


def has_weight_decay(name: str) -> bool:
  """Returns whether BERT decays the variable of this name."""
  return not any(part in name for part in _WITHOUT_DECAY)


def _slot(variable: tf.Variable, name: str) -> tf.Variable:
  stem = variable.name.split(':')[0]
  return tf.Variable(
    tf.zeros(variable.shape), trainable=False, name=f'{stem}/{name}'
  )
