"""The host's loop: when it logs, checks, evaluates and saves.

Orbit's own `Controller` prints every line twice, and shows neither examples per
second nor the time left.
"""

import contextlib
import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable, Mapping

import tensorflow as tf
from absl import logging

from devices import workers
from system import file_systems, stop_request
from system.errors import Stopped, UserError
from system.progress import Progress
from training import best_checkpoint
from training.metrics_log import MetricsLog
from training.options import RunSettings
from training.profiling import Profile, profiled_steps
from training.resuming import Checkpointer
from training.step_statistics import StepStatistics
from training.step_timer import StepTimer
from training.trainer import Trainer

# An object store takes a whole file at a time, and the step waits for it.
_SECONDS_BETWEEN_UPLOADS = 30.0


def train(
  trainer: Trainer,
  checkpointer: Checkpointer,
  settings: RunSettings,
  evaluation: best_checkpoint.Evaluation | None,
  describe_batch: Callable[[int], str],
) -> None:
  """Trains to the end; logs, evaluates and saves on the way.

  Args:
    trainer: at the step where the run starts or resumes.
    checkpointer: saves the trainer's state.
    settings: the run's.
    evaluation: the chief's; None on other workers, or if there is none.
    describe_batch: steps done → the records of the next batch, as text.

  Raises:
    UserError: a loss or gradient is not finite, and the run may not skip
      another step.
    Stopped: the run was asked to stop, and has saved its state.
  """
  statistics = trainer.statistics
  step = _steps_done(trainer)
  profiled = range(0)
  if settings.profile:
    profiled = profiled_steps(step, settings.num_train_steps)
  with (
    Progress(settings.num_train_steps, ' steps', initial=step) as progress,
    stop_request.listener(trainer.stop_request.set),
    Profile(settings.output_dir, profiled, workers.is_chief()) as profile,
    contextlib.closing(
      _Reports(
        settings, timer := StepTimer(settings, progress, step), evaluation
      )
    ) as reports,
  ):
    run = _Run(trainer, checkpointer, settings, profile, timer, reports)
    workers.chief_does(lambda: reports.resume(statistics.start))
    is_last = False
    while not is_last:
      first = step
      # A run that resumes mid-interval first finishes that interval.
      stop = settings.next_stop(max(statistics.start, step - 1))
      seconds = run.train_to(stop, describe_batch)
      step = stop
      means = statistics.means(step)
      means['learning_rate'] = float(trainer.optimizer.last_learning_rate())
      _check_scale(means, step, settings)
      statistics.begin(step)
      write = functools.partial(
        reports.write, step, step - first, seconds, means
      )
      workers.chief_does(write)
      is_last = is_over(step, settings, evaluation)
      # Saving comes last: a run killed before it repeats this interval.
      if is_last or settings.is_due(step, settings.save_checkpoints_steps):
        run.save(step)
    # The request may come while the last step is evaluated or saved.
    if workers.any_of(bool(trainer.stop_request.read())):
      raise Stopped(f'all {step} steps are done and saved')


@dataclasses.dataclass(frozen=True)
class _Run:
  """What it takes to train a run to the end of an interval."""

  trainer: Trainer
  checkpointer: Checkpointer
  settings: RunSettings
  profile: Profile
  timer: StepTimer
  reports: '_Reports'

  def train_to(self, stop: int, describe_batch: Callable[[int], str]) -> float:
    """Trains to the end of an interval; returns the seconds that it took.

    On the way the host takes control by the clock: it says where the run is,
    and saves. The sums of the interval continue, so its metrics do not depend
    on that.
    """
    trainer, seconds = self.trainer, 0.0
    statistics = trainer.statistics
    while (step := _steps_done(trainer)) < stop:
      # The chief's clock decides for all workers.
      time_left = self.timer.begin()
      trainer.max_seconds = time_left if workers.is_chief() else math.inf
      self.profile.train(trainer, step, stop)
      step = _steps_done(trainer)
      seconds += self.timer.end(step)
      _check_steps(statistics, self.settings, describe_batch)
      if trainer.was_stopped:
        self.save(step)
        last = self.settings.num_train_steps
        raise Stopped(f'saved at step {step} of {last}')
      if step < stop and workers.is_chief():
        self.timer.report(statistics.means(step)['loss'])
      self._save_by_the_clock(step)
    return seconds

  def _save_by_the_clock(self, step: int) -> None:
    """Saves if the chief's clock says so, and no other checkpoint is due.

    The interval is not over for a run that resumes here, not even at its last
    step: it writes the metrics of the interval, and evaluates.
    """
    settings = self.settings
    if not settings.save_checkpoints_minutes or settings.is_due(
      step, settings.save_checkpoints_steps
    ):
      return
    if workers.from_chief(self.timer.is_save_due()):
      self.save(step)

  def save(self, step: int) -> None:
    # A run that resumes here does not report the steps before again.
    workers.chief_does(self.reports.flush)
    self.checkpointer.save(step)
    self.timer.note_save()


def is_over(
  step: int,
  settings: RunSettings,
  evaluation: best_checkpoint.Evaluation | None,
) -> bool:
  """Returns whether no training is left; logs why.

  Only the chief has an evaluation, and its early stop counts for all workers.
  """
  if step >= settings.num_train_steps:
    logging.info('This run has finished: all %d steps are done.', step)
    return True
  if not settings.eval_steps:
    return False
  has_stopped = evaluation is not None and evaluation.has_stopped
  if has_stopped:
    logging.info(
      'This run has stopped early, at step %d of %d: no evaluation brought a '
      'better score (`early_stopping_patience`).',
      step,
      settings.num_train_steps,
    )
  return bool(workers.from_chief(has_stopped))


def _steps_done(trainer: Trainer) -> int:
  return int(trainer.optimizer.step.numpy())


def _check_steps(
  statistics: StepStatistics,
  settings: RunSettings,
  describe_batch: Callable[[int], str],
) -> None:
  """Names the bad steps; raises a `UserError` if there are too many."""
  for step in statistics.collect():
    problem = (
      f'a loss or the norm of its gradient is not finite at step {step}, whose '
      f'batch is {describe_batch(step - 1)}'
    )
    number = statistics.bad_steps.index(step) + 1
    if number > statistics.budget:
      raise UserError(
        f'{problem}. The last checkpoint is kept. Is `learning_rate`='
        f'{settings.learning_rate} too high? `skip_nonfinite_steps`={number} '
        'would skip this step.'
      )
    logging.warning(
      '%s. The step is skipped, number %d of %d (`skip_nonfinite_steps`).',
      problem,
      number,
      statistics.budget,
    )


def _check_scale(
  means: Mapping[str, float], step: int, settings: RunSettings
) -> None:
  """Raises a `UserError` if float16 kept the whole interval from training.

  The loss scale does not fall below 1: the gradients then exceed float16.
  """
  if settings.skip_nonfinite_steps:
    return
  if means.get('skipped_steps') == 1.0 and means['loss_scale'] == 1.0:
    raise UserError(
      f'the gradients are not finite in float16 up to step {step} at any loss '
      'scale; the last checkpoint is kept. Try `precision`=bfloat16'
    )


class _Reports:
  """Reports at the end of an interval; only the chief's are written."""

  def __init__(
    self,
    settings: RunSettings,
    timer: StepTimer,
    evaluation: best_checkpoint.Evaluation | None,
  ):
    self._settings = settings
    self._timer = timer
    self._evaluation = evaluation
    self._metrics = MetricsLog(settings.output_dir)
    self._events: _Events | None = None
    is_local = file_systems.local_path(settings.output_dir) is not None
    self._seconds_between = 0.0 if is_local else _SECONDS_BETWEEN_UPLOADS
    self._last_flush = time.monotonic()

  def resume(self, step: int) -> None:
    """Opens the logs of a run that starts or resumes after an interval."""
    self._metrics.resume(step)
    self._events = _Events(self._settings.output_dir)

  def write(
    self, step: int, num_steps: int, seconds: float, means: dict[str, float]
  ) -> None:
    """Reports an interval, and evaluates if that is due.

    Args:
      step: the last one.
      num_steps: how many there were in this process; 0 if the run resumed at
        the end of the interval.
      seconds: how long they took.
      means: the interval's, by name.
    """
    self._metrics.append(step, means)
    self._timer.report(means['loss'])
    if num_steps:
      rate = self._settings.train_batch_size * num_steps / seconds
      means = {**means, 'examples_per_second': rate}
    self._events.write(means, step)
    if self._evaluation and self._settings.is_due(
      step, self._settings.eval_steps
    ):
      scores = self._evaluation.run(step)
      # The training loss has this name, too.
      self._events.write({x: scores[x] for x in scores if x != 'loss'}, step)
    if time.monotonic() - self._last_flush >= self._seconds_between:
      self.flush()

  def flush(self) -> None:
    """Writes what was reported to the files."""
    self._metrics.flush()
    if self._events:
      self._events.flush()
    self._last_flush = time.monotonic()

  def close(self) -> None:
    """Writes the last reports of a run that an error ends."""
    if workers.is_chief():
      # The user needs that error, not another one from writing.
      with contextlib.suppress(UserError):
        self.flush()


class _Events:
  """Writes points for TensorBoard."""

  def __init__(self, output_dir: str):
    self._folder = os.path.join(output_dir, 'events')
    with file_systems.explained('write', self._folder):
      self._writer = tf.summary.create_file_writer(self._folder)

  def write(self, values: Mapping[str, float], step: int) -> None:
    with (
      file_systems.explained('write', self._folder),
      self._writer.as_default(),
    ):
      for name, value in values.items():
        tf.summary.scalar(name, value, step=step)

  def flush(self) -> None:
    with file_systems.explained('write', self._folder):
      self._writer.flush()
