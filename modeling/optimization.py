"""AdamW and the learning rate as google-research/bert used them.

The update is Adam's without bias correction, with decoupled weight decay on all
but LayerNorm and biases, after the gradients' global norm was clipped to 1.0.
Source: Kingma & Ba 2015 (Adam), Loshchilov & Hutter 2019 (decoupled decay).
"""

from collections.abc import Sequence

import tensorflow as tf

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
    weight_decay_rate: float = 0.01,
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
      weight_decay_rate: multiplies a weight, times the learning rate.
    """
    super().__init__(name='adamw')
    self.beta_1, self.beta_2, self.epsilon = 0.9, 0.999, 1e-6
    self.clip_norm = 1.0
    self._schedule = (learning_rate, num_steps, num_warmup_steps)
    self._bias_correction = bias_correction
    self._variables = list(variables)
    self._decay_rates = [
      weight_decay_rate if has_weight_decay(v.name) else 0.0 for v in variables
    ]
    self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name='step')
    self._m = [_slot(v, 'adam_m') for v in variables]
    self._v = [_slot(v, 'adam_v') for v in variables]

  def current_learning_rate(self) -> tf.Tensor:
    """Returns the rate that the next step will use, float32 scalar."""
    return learning_rate_at(self.step, *self._schedule)

  def apply(self, gradients: Sequence[tf.Tensor | None]) -> tf.Tensor:
    """Clips and applies gradients that are already summed over replicas.

    Call it in the replica context. The norm that clips is the norm of the
    aggregated gradients; clipping each replica's own would depend on how many
    there are.

    Args:
      gradients: one for each variable, dense and of its shape.

    Returns:
      float32 scalar, the global norm before clipping.

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
    clipped, norm = tf.clip_by_global_norm(list(gradients), self.clip_norm)
    context = tf.distribute.get_replica_context()
    context.merge_call(self._update_all, args=(clipped,))
    return norm

  def _update_all(self, strategy, gradients) -> None:
    """Updates every variable on every device, in the cross-replica context."""
    rate = self.current_learning_rate()
    beta_powers = (0.0, 0.0)
    if self._bias_correction:
      t = tf.cast(self.step + 1, tf.float32)
      beta_powers = tf.pow(self.beta_1, t), tf.pow(self.beta_2, t)
    for variable, gradient, m, v, decay in zip(
      self._variables,
      gradients,
      self._m,
      self._v,
      self._decay_rates,
      strict=True,
    ):
      strategy.extended.update(
        variable,
        self._update_one,
        args=(gradient, m, v, rate, decay, beta_powers),
      )
    self.step.assign_add(1)

  def _update_one(self, variable, gradient, m, v, rate, decay, beta_powers):
    """Updates one copy of one variable and its slots.

    TensorFlow's kernel makes one pass over memory where separate ops make ten.
    It computes

      rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

    which is BERT's update where both powers are 0, and Kingma & Ba's with
    their epsilon where ours is scaled likewise.
    """
    if decay:
      # First, because the decay is of the weight as it was.
      variable.assign_sub(rate * decay * variable, read_value=False)
    tf.raw_ops.ResourceApplyAdam(
      var=variable.handle,
      m=m.handle,
      v=v.handle,
      beta1_power=beta_powers[0],
      beta2_power=beta_powers[1],
      lr=rate,
      beta1=self.beta_1,
      beta2=self.beta_2,
      epsilon=self.epsilon * tf.sqrt(1.0 - beta_powers[1]),
      grad=gradient,
    )


def has_weight_decay(name: str) -> bool:
  """Says whether BERT decays the variable of this name."""
  return not any(part in name for part in _WITHOUT_DECAY)


def _slot(variable: tf.Variable, name: str) -> tf.Variable:
  stem = variable.name.split(':')[0]
  return tf.Variable(
    tf.zeros(variable.shape), trainable=False, name=f'{stem}/{name}'
  )
