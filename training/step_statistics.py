"""What the steps since the host's last stop came to, and which were bad.

A step is bad if one of its losses, or its gradient norm, is not finite. The
sums are added up on the device, and the host reads them where it stops anyway:
no step waits for it.

They are a part of what a run goes on from. One that was asked to stop between
two stops ends with the metrics of one left alone.
"""

import json
import math
from collections.abc import Sequence

import tensorflow as tf

# These count steps, bad ones too; the others are means over the good ones.
_OF_ALL_STEPS = ('loss_scale', 'skipped_steps')


class UnitLossScale:
  """Stands for a loss scale where there is none, and scales nothing.

  It has the optimizer do what a loss scale brings besides: an update whose
  gradients are not finite changes neither weights nor moments.
  """

  value = 1.0

  def __init__(self):
    """Makes the state, under the strategy's scope."""
    self.skipped_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

  def update(self, is_finite: tf.Tensor) -> None:
    """Counts a step, as `precision.LossScale.update`."""
    self.skipped_steps.assign_add(tf.cast(~is_finite, tf.int64))


class StepStatistics:
  """The sums of the current interval, and the bad steps of the run.

  Attributes:
    budget: how many bad steps may be left out: their updates are not made.
    start: the step at which the interval began.
    sums: by name, as `collect` has seen them last.
    bad_steps: of the whole run, likewise; the first step is 1.
    unit_scale: for the optimizer, where steps may be left out.
  """

  def __init__(self, budget: int = 0):
    """Makes the variables, under the strategy's scope."""
    self.budget = budget
    self.start = 0
    self.sums: dict[str, float] = {}
    self.bad_steps: list[int] = []
    self.unit_scale = UnitLossScale() if budget else None
    self._names: Sequence[str] = ()
    self._sums: tf.Variable | None = None
    # Since `collect`; one more than there may be is enough to end the run.
    none = tf.fill([budget + 1], tf.constant(-1, tf.int64))
    self._bad = tf.Variable(none, trainable=False)

  def begin(self, step: int) -> None:
    """Begins an interval: the sums start from zero."""
    self.start, self.sums = step, {}
    if self._sums is not None:
      self._sums.assign(tf.zeros_like(self._sums))

  def add(
    self, names: Sequence[str], values: tf.Tensor, step: tf.Tensor
  ) -> None:
    """Adds a step, as ops of the training loop.

    Args:
      names: of the values, the same at every step.
      values: float32 [K], the same on every replica.
      step: int64 scalar, this step's number.
    """
    self._names = names
    if self._sums is None:
      initial = [self.sums.get(name, 0.0) for name in names]
      with tf.init_scope():
        self._sums = tf.Variable(initial, trainable=False)
    is_bad = ~tf.reduce_all(tf.math.is_finite(values))
    if self.budget:
      stays = tf.constant([name in _OF_ALL_STEPS for name in names])
      values = tf.where(is_bad & ~stays, 0.0, values)
    self._sums.assign_add(values)
    place = tf.reduce_sum(tf.cast(self._bad >= 0, tf.int64))
    is_place = tf.range(self.budget + 1, dtype=tf.int64) == place
    self._bad.assign(tf.where(is_bad & is_place, step, self._bad))

  def collect(self) -> list[int]:
    """Reads the sums; returns the bad steps since the last time.

    Of those there may be more than the budget allows, by one or several.
    """
    if self._sums is not None:
      values = self._sums.numpy().tolist()
      self.sums = dict(zip(self._names, values, strict=True))
    # Where none may be left out, the sums tell whether there is one.
    if not self.budget and all(map(math.isfinite, self.sums.values())):
      return []
    new = [int(step) for step in self._bad.numpy() if step >= 0]
    if new:
      self.bad_steps += new
      self._bad.assign(tf.fill(self._bad.shape, tf.constant(-1, tf.int64)))
    return new

  def means(self, step: int) -> dict[str, float]:
    """Returns the interval's means, from its start to a step."""
    num_all = step - self.start
    num_bad = sum(bad > self.start for bad in self.bad_steps)
    num_good = max(1, num_all - num_bad)
    return {
      name: total / (num_all if name in _OF_ALL_STEPS else num_good)
      for name, total in self.sums.items()
    }

  def to_json(self) -> str:
    """Returns what a run that goes on must know."""
    state = {
      'start': self.start,
      'sums': self.sums,
      'bad_steps': self.bad_steps,
    }
    return json.dumps(state)

  def restore(self, text: str) -> None:
    """Takes up what `to_json` returned, before the first `add`.

    Raises:
      ValueError: it is something else.
    """
    state = json.loads(text)
    try:
      start, bad = int(state['start']), [int(x) for x in state['bad_steps']]
      sums = {name: float(value) for name, value in state['sums'].items()}
    except (AttributeError, KeyError, TypeError) as error:
      raise ValueError(f'{text[:40]!r} is no state of a run') from error
    self.start, self.sums, self.bad_steps = start, sums, bad
    if self.unit_scale:
      self.unit_scale.skipped_steps.assign(len(bad))
