"""AdamW and the learning rate as google-research/bert used them; LAMB.

AdamW's update is Adam's without bias correction, with decoupled weight decay on
all but LayerNorm and biases, after the gradients' global norm was clipped to
1.0. Source: Kingma & Ba 2015 (Adam), Loshchilov & Hutter 2019 (decoupled
decay). LAMB (You et al. 2020) scales the same update, see `Lamb`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from training.loss_scale import LossScale

# Substrings of the names of variables without weight decay, as in BERT.
_WITHOUT_DECAY = ('LayerNorm', 'layer_norm', 'bias')


def learning_rate_at(
  step: tf.Tensor, peak: float, num_steps: int, num_warmup_steps: int
) -> tf.Tensor:
  """Computes the learning rate of one step.

  It rises linearly from 0 over the warm-up; afterwards it is what a straight
  line from `peak` at step 0 to 0 at `num_steps` gives, as in BERT: the decay
  does not start at the end of the warm-up, so the rate drops a little there.

  Args:
    step: int64 scalar, steps done before this one; the first step sees 0.
    peak: the rate that the decay starts from.
    num_steps: steps of the whole run; the rate stays 0 from there on.
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


class _Numbers(NamedTuple):
  """The scalars of one step, float32."""

  rate: tf.Tensor
  beta_1: tf.Tensor | float
  beta_2: tf.Tensor | float
  beta_1_power: tf.Tensor | float
  beta_2_power: tf.Tensor | float


class AdamW(tf.Module):
  """Updates variables from aggregated gradients; counts the steps.

  Create it under the strategy's scope, after the variables. Its slots and its
  step are what a checkpoint must hold for a run to go on.
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
      variables: float32 variables named as in released BERT; the names decide
        which have weight decay.
      learning_rate: the peak, see `learning_rate_at`.
      num_steps: steps of the whole run.
      num_warmup_steps: steps of the warm-up.
      bias_correction: divide the moments by 1 - beta^t, as Adam does and BERT
        does not.
      rate_factors: of the variables, multiply their learning rates and so
        their decay; 1 where not given.
      loss_scale: of float16: gradients come scaled by it, and a step where
        they are not finite changes neither weights nor moments.
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

  def current_learning_rate(self) -> tf.Tensor:
    """Returns the rate that the next step will use, float32 scalar."""
    return learning_rate_at(self.step, *self._schedule)

  def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
    """Returns what to differentiate: the loss, times the loss scale."""
    return loss * self.loss_scale.value if self.loss_scale else loss

  def apply(
    self,
    gradients: Sequence[tf.Tensor | None],
    are_losses_finite: tf.Tensor | bool = True,
  ) -> dict[str, tf.Tensor]:
    """Clips and applies gradients that are already summed over replicas.

    Call it in the replica context. Clipping uses the norm of the aggregated
    gradients; the norm of each replica's own would depend on the number of
    replicas.

    Args:
      gradients: the gradients of `scale_loss`, one for each variable, dense
        and of its shape.
      are_losses_finite: bool scalar. With a loss scale the step is skipped if
        it is false or the gradients are not finite.

    Returns:
      `gradient_norm`, float32 scalar, the global norm before clipping. With a
      loss scale also `loss_scale`, and `skipped_steps`, 1 if this step is
      skipped; its `gradient_norm` is then 0.

    Raises:
      ValueError: a variable has no gradient; it is named.
    """
    without = [
      variable.name
      for variable, gradient in zip(self._variables, gradients, strict=True)
      if gradient is None
    ]
    if without:
      raise ValueError(f'no gradient for {", ".join(without)}')
    context = tf.distribute.get_replica_context()
    if not self.loss_scale:
      clipped, norm = tf.clip_by_global_norm(list(gradients), self.clip_norm)
      context.merge_call(self._update_all, args=(clipped,))
      return {'gradient_norm': norm}
    scale = tf.identity(self.loss_scale.value)  # before it is adapted
    unscaled = [gradient / scale for gradient in gradients]
    clipped, norm = tf.clip_by_global_norm(unscaled, self.clip_norm)
    is_finite = tf.math.is_finite(norm) & are_losses_finite
    clipped = [tf.where(is_finite, x, 0.0) for x in clipped]
    context.merge_call(self._update_all, args=(clipped, is_finite))
    return {
      'gradient_norm': tf.where(is_finite, norm, 0.0),
      'loss_scale': scale,
      'skipped_steps': tf.cast(~is_finite, tf.float32),
    }

  def _update_all(self, strategy, gradients, is_finite=None) -> None:
    """Updates every variable on every device, in the cross-replica context."""
    if is_finite is not None:
      is_finite = strategy.experimental_local_results(is_finite)[0]
    numbers = self._numbers(is_finite)
    for variable, gradient, m, v, factor in zip(
      self._variables,
      gradients,
      self._m,
      self._v,
      self._rate_factors,
      strict=True,
    ):
      decay = self.weight_decay_rate if has_weight_decay(variable.name) else 0.0
      own = numbers
      if factor != 1.0:
        own = numbers._replace(rate=numbers.rate * factor)
      strategy.extended.update(
        variable, self._update_one, args=(gradient, m, v, decay, own)
      )
    if is_finite is not None:
      self.loss_scale.update(is_finite)
    self.step.assign_add(1)

  def _numbers(self, is_finite: tf.Tensor | None) -> _Numbers:
    """Computes the scalars of the step that is to be done.

    A skipped step counts: the order of the examples, the learning rate and the
    checkpoints go by the step. Only the bias correction counts the updates that
    the moments have seen.
    """
    rate = self.current_learning_rate()
    beta_powers = (0.0, 0.0)
    if self._bias_correction:
      updates = self.step + 1
      if self.loss_scale:
        # At least 1, for a skipped first step; its rate is 0.
        updates = tf.maximum(updates - self.loss_scale.skipped_steps, 1)
      t = tf.cast(updates, tf.float32)
      beta_powers = tf.pow(self.beta_1, t), tf.pow(self.beta_2, t)
    numbers = _Numbers(rate, self.beta_1, self.beta_2, *beta_powers)
    if is_finite is None:
      return numbers
    # Exact: moments + 0 * (0 - moments), weights - 0 * update.
    return numbers._replace(
      rate=tf.where(is_finite, rate, 0.0),
      beta_1=tf.where(is_finite, self.beta_1, 1.0),
      beta_2=tf.where(is_finite, self.beta_2, 1.0),
    )

  def _update_one(self, variable, gradient, m, v, decay, numbers: _Numbers):
    """Updates one copy of one variable and its slots.

    TensorFlow's kernel makes one pass over memory where separate ops make ten.
    It computes

      rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

    which is BERT's update where both powers are 0, and Kingma & Ba's with
    their epsilon where ours is scaled likewise.
    """
    if decay:
      # First, because the decay is of the weight as it was.
      kept = 1.0 - numbers.rate * decay
      variable.assign(kept * variable, read_value=False)
    tf.raw_ops.ResourceApplyAdam(
      var=variable.handle,
      m=m.handle,
      v=v.handle,
      beta1_power=numbers.beta_1_power,
      beta2_power=numbers.beta_2_power,
      lr=numbers.rate,
      beta1=numbers.beta_1,
      beta2=numbers.beta_2,
      epsilon=self.epsilon * tf.sqrt(1.0 - numbers.beta_2_power),
      grad=gradient,
    )


class Lamb(AdamW):
  """AdamW's update, decay included, scaled to the size of the weights.

  Source: You et al. 2020 (arXiv 1904.00962), algorithm 2, with the identity for
  phi: the update of a variable w is multiplied by its trust ratio,
  |w| / |update| (2-norms over the whole variable; 1 where one of them is 0).
  LayerNorm and biases, which do not decay, have no trust ratio, as in
  tf-models-official. The paper corrects the bias of the moments:
  `bias_correction` does.
  """

  def _update_one(self, variable, gradient, m, v, decay, numbers: _Numbers):
    beta_1, beta_2 = numbers.beta_1, numbers.beta_2
    next_m = beta_1 * m + (1.0 - beta_1) * gradient
    next_v = beta_2 * v + (1.0 - beta_2) * tf.square(gradient)
    m.assign(next_m, read_value=False)
    v.assign(next_v, read_value=False)
    mean = next_m / (1.0 - numbers.beta_1_power)
    deviation = tf.sqrt(next_v / (1.0 - numbers.beta_2_power))
    update = mean / (deviation + self.epsilon)
    if decay:
      update += decay * variable
      update *= _trust_ratio(variable, update)
    variable.assign_sub(numbers.rate * update, read_value=False)


def _trust_ratio(variable: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
  size, update_size = tf.norm(variable), tf.norm(update)
  are_both = (size > 0.0) & (update_size > 0.0)
  return tf.where(are_both, tf.math.divide_no_nan(size, update_size), 1.0)


def has_weight_decay(name: str) -> bool:
  """Says whether BERT decays the variable of this name."""
  return not any(part in name for part in _WITHOUT_DECAY)


def _slot(variable: tf.Variable, name: str) -> tf.Variable:
  stem = variable.name.split(':')[0]
  return tf.Variable(
    tf.zeros(variable.shape), trainable=False, name=f'{stem}/{name}'
  )
