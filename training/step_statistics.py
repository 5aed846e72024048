"""Sums of the steps' losses and measures, and which steps were bad.

A step is bad if one of its losses, or its gradient norm, is not finite. Each
replica adds up the sums, as a part of the step; the host reads them at its
stops.

The statistics are part of a run's resumable state: a run that stops
mid-interval ends with the same metrics as an undisturbed one.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from training import replica_copy

_NORM, _SKIPPED = 'gradient_norm', 'skipped_steps'
# Means over all steps; the other values are means over the good steps, the
# gradients' norm over those of them that were not skipped.
_OF_ALL_STEPS = ('loss_scale', _SKIPPED)
# Room for the losses and the measures of any step.
_MAX_VALUES = 16


def _ordered(names: Iterable[str]) -> list[str]:
  """Returns the names in the order of the sums.

  Those that a resumed run may have in addition, or lack, are the last ones.
  """
  return sorted(names, key=lambda name: (name in _OF_ALL_STEPS, name))


class UnitLossScale:
  """A loss scale of 1: it scales nothing, but skips bad updates.

  With any loss scale the optimizer changes neither weights nor moments in a
  step whose gradients are not finite.
  """

  value = 1.0

  def __init__(self):
    """Makes the state, in the strategy's scope."""
    self.skipped_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

  def update(self, is_finite: tf.Tensor) -> None:
    """Counts a step, as `LossScale.update` does."""
    replica_copy.assign_add(self.skipped_steps, tf.cast(~is_finite, tf.int64))


class StepStatistics:
  """The sums of the current interval, and the bad steps of the run.

  Attributes:
    budget: how many bad steps the run may skip.
    start: the step at which the interval began.
    sums: value's name → sum, as of the last `collect`.
    bad_steps: the numbers of the run's bad steps, from 1, as of the last
      `collect`.
    unit_scale: the optimizer's loss scale in float32 if steps may be skipped,
      else None.
  """

  def __init__(self, budget: int = 0):
    """Makes the variables, in the strategy's scope."""
    self.budget = budget
    self.start = 0
    self.sums: dict[str, float] = {}
    self.bad_steps: list[int] = []
    self.unit_scale = UnitLossScale() if budget else None
    self._names: Sequence[str] = ()
    # In the order of `_ordered`.
    self._sums = tf.Variable(tf.zeros([_MAX_VALUES]), trainable=False)
    # The bad steps since `collect`. There is room for one more than the budget,
    # because that one ends the run.
    none = tf.fill([budget + 1], tf.constant(-1, tf.int64))
    self._bad = tf.Variable(none, trainable=False)

  def begin(self, step: int) -> None:
    """Begins an interval with sums of zero."""
    self.start, self.sums = step, {}
    self._sums.assign(tf.zeros([_MAX_VALUES]))

  def add(self, values: Mapping[str, tf.Tensor], step: tf.Tensor) -> None:
    """Adds a step, in the replica context.

    Args:
      values: name → float32 scalar, the same on every replica; every step has
        the same names.
      step: int64 scalar, this step's number.
    """
    self._names = list(values)
    names = _ordered(values)
    stacked = tf.stack([values[name] for name in names])
    is_bad = ~tf.reduce_all(tf.math.is_finite(stacked))
    if self.budget:
      stays = tf.constant([name in _OF_ALL_STEPS for name in names])
      stacked = tf.where(is_bad & ~stays, 0.0, stacked)
    padding = [[0, _MAX_VALUES - len(names)]]
    replica_copy.assign_add(self._sums, tf.pad(stacked, padding))
    num_bad = tf.reduce_sum(tf.cast(self._bad >= 0, tf.int64))
    is_next = tf.range(self.budget + 1, dtype=tf.int64) == num_bad
    bad = tf.where(is_bad & is_next, step, self._bad)
    replica_copy.assign(self._bad, bad)

  def collect(self) -> list[int]:
    """Reads the sums; returns the bad steps since the last call.

    There may be more of them than the budget allows.
    """
    if self._names:
      values = self._sums.numpy().tolist()
      sums = dict(zip(_ordered(self._names), values, strict=False))
      self.sums = {name: sums[name] for name in self._names}
    # Without a budget, finite sums show that no step was bad.
    if not self.budget and all(map(math.isfinite, self.sums.values())):
      return []
    new = [int(step) for step in self._bad.numpy() if step >= 0]
    if new:
      self.bad_steps += new
      self._bad.assign(tf.fill(self._bad.shape, tf.constant(-1, tf.int64)))
    return new

  def means(self, step: int) -> dict[str, float]:
    """Returns the means of the interval that ends with `step`."""
    num_all = step - self.start
    num_bad = sum(bad > self.start for bad in self.bad_steps)
    counts = dict.fromkeys(self.sums, max(1, num_all - num_bad))
    counts |= dict.fromkeys(_OF_ALL_STEPS, num_all)
    if _SKIPPED in self.sums:  # All bad steps are skipped.
      counts[_NORM] = max(1, num_all - round(self.sums[_SKIPPED]))
    return {name: total / counts[name] for name, total in self.sums.items()}

  def to_json(self) -> str:
    """Returns the state that a resumed run needs."""
    state = {
      'start': self.start,
      'sums': self.sums,
      'bad_steps': self.bad_steps,
    }
    return json.dumps(state)

  def restore(self, text: str) -> None:
    """Restores what `to_json` returned; call it before the first step.

    Raises:
      ValueError: the text is something else.
    """
    state = json.loads(text)
    try:
      start, bad = int(state['start']), [int(x) for x in state['bad_steps']]
      sums = {name: float(value) for name, value in state['sums'].items()}
    except (AttributeError, KeyError, TypeError) as error:
      raise ValueError(f'{text[:40]!r} is not the state of a run') from error
    self.start, self.sums, self.bad_steps = start, sums, bad
    values = [sums[name] for name in _ordered(sums)]
    self._sums.assign(values + [0.0] * (_MAX_VALUES - len(values)))
    if self.unit_scale:
      self.unit_scale.skipped_steps.assign(len(bad))
