"""A run's timed actions: progress lines, and checkpoints between regular ones.

Nothing here decides a weight or a metric: a run's results do not depend on when
its host looks at the clock.

Tested by `tests/training/step_timer_test.py` and
`tests/training/train_loop_test.py`.
"""

import datetime
import time
from collections.abc import Callable

from absl import logging

from system.progress import Progress
from training.options import RunSettings

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_MOVES = 2.0  # Of a bar on a terminal.


class StepTimer:
  """Times a run's steps, reports its progress, and tells when to save.

  The first step is not measured: TensorFlow traces and compiles it.
  """

  def __init__(
    self,
    settings: RunSettings,
    progress: Progress,
    step: int,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Starts the clock.

    Args:
      settings: the run's.
      progress: shows the bar, on a terminal.
      step: at which the run starts or resumes.
      clock: returns seconds.
    """
    self._settings = settings
    self._progress = progress
    self._clock = clock
    self._is_first = True
    self._step = step
    self._last_line = self._last_save = clock()
    self._begin = 0.0
    # Since the last line.
    self._num_steps, self._seconds = 0, 0.0
    self._rate: float | None = None

  def begin(self) -> float:
    """Returns how many seconds the host may leave the steps to the device."""
    self._begin = self._clock()
    if self._is_first:
      return 0.0
    return max(0.0, self._last_line + self._between - self._begin)

  @property
  def _between(self) -> float:
    is_bar = self._progress.is_bar
    return _SECONDS_BETWEEN_MOVES if is_bar else _SECONDS_BETWEEN_LINES

  def end(self, step: int) -> float:
    """Notes the steps that were done since `begin`.

    Returns:
      The seconds since `begin`.
    """
    now = self._clock()
    seconds = now - self._begin
    if self._is_first:
      self._is_first, self._last_line = False, now
    else:
      self._num_steps += step - self._step
      self._seconds += seconds
    self._step = step
    return seconds

  def report(self, loss: float) -> None:
    """Moves the bar, or logs a line if one is due.

    The last step always has a line.

    Args:
      loss: the mean of the current interval.
    """
    now, last = self._clock(), self._settings.num_train_steps
    is_due = now - self._last_line >= self._between
    if not (is_due or self._step == last or self._progress.is_bar):
      return
    if self._num_steps and self._seconds:
      steps_per_second = self._num_steps / self._seconds
      self._rate = steps_per_second * self._settings.train_batch_size
    if is_due:
      self._last_line, self._num_steps, self._seconds = now, 0, 0.0
    if self._progress.is_bar:
      self._progress.update(self._step, self._note(loss))
    else:
      logging.info('%s', self._line(loss))

  def _line(self, loss: float) -> str:
    step, last = self._step, self._settings.num_train_steps
    share = f'{100 * step / last:.0f} %'
    line = f'step {step} of {last} ({share}) · {self._note(loss)}'
    if self._rate is None:
      return line
    num_left = (last - step) * self._settings.train_batch_size
    left = datetime.timedelta(seconds=round(num_left / self._rate))
    return f'{line} · {left} left'

  def _note(self, loss: float) -> str:
    note = f'loss {loss:.4f}'
    if self._rate is not None:
      note += f' · {self._rate:.1f} examples/s'
    return note

  def is_save_due(self) -> bool:
    """Returns whether `save_checkpoints_minutes` have passed since a save."""
    minutes = self._settings.save_checkpoints_minutes
    return bool(minutes) and self._clock() - self._last_save >= 60.0 * minutes

  def note_save(self) -> None:
    """Starts the minutes until the next save."""
    self._last_save = self._clock()
