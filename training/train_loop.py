"""The host's loop: what is logged, checked, evaluated and saved, and when.

Orbit's own `Controller` prints every line twice and knows neither examples per
second nor the time that is left.
"""

import datetime
import os
import time
from collections.abc import Callable, Mapping

import tensorflow as tf
from absl import logging

from devices import workers
from system import files
from system.errors import Stopped, UserError
from system.progress import Progress
from training import best_checkpoint, stop_request
from training.profiling import Profile, profiled_steps
from training.resuming import Checkpointer
from training.run_folder import MetricsLog
from training.settings import Settings
from training.step_statistics import StepStatistics
from training.train_step import Trainer


def train(
  trainer: Trainer,
  checkpointer: Checkpointer,
  settings: Settings,
  evaluation: best_checkpoint.Evaluation | None,
  describe_batch: Callable[[int], str],
) -> None:
  """Trains to the end, logging, evaluating and saving on the way.

  Args:
    trainer: at the step where the run goes on.
    checkpointer: of the same state.
    settings: the run's.
    evaluation: the chief's, if there is one.
    describe_batch: steps done → which records the next batch is of.

  Raises:
    UserError: the run came to nothing: a loss or gradient is not finite.
    Stopped: it was asked to, and has saved what there is.
  """
  statistics = trainer.statistics
  step = _steps_done(trainer)
  metrics = MetricsLog(settings.output_dir)
  if is_chief := workers.is_chief():
    metrics.resume(statistics.start)
    events = _Events(settings.output_dir)
  is_profiled = settings.is_profiled and is_chief
  profiled = (
    profiled_steps(step, settings.num_steps) if is_profiled else range(0)
  )
  with (
    Progress(settings.num_steps, ' steps', initial=step) as progress,
    stop_request.heeded(trainer.stop_request.set),
    Profile(settings.output_dir, profiled) as profile,
  ):
    is_last = False
    while not is_last:
      started, first = time.perf_counter(), step
      # Where a run goes on between two stops, that is the later one.
      stop = settings.next_stop(max(statistics.start, step - 1))
      profile.train(trainer, step, stop)
      step = _steps_done(trainer)
      _check_steps(statistics, settings, describe_batch)
      if trainer.was_stopped:
        checkpointer.save(step)
        raise Stopped(f'saved at step {step} of {settings.num_steps}')
      means = statistics.means(step)
      means['learning_rate'] = float(trainer.optimizer.current_learning_rate())
      _check_scale(means, step, settings)
      statistics.begin(step)
      if is_chief:
        metrics.append(step, means)
        if step > first:  # Not where a run was stopped at a stop.
          seconds = (time.perf_counter() - started) / (step - first)
          means['examples_per_second'] = settings.batch_size / seconds
        _report(step, means, settings, progress)
        events.write(means, step)
      if evaluation and settings.is_due(step, settings.eval_steps):
        events.write(evaluation.run(step), step)
      is_last = is_over(step, settings, evaluation)
      # Saved last: a run killed before it does this interval again.
      if settings.is_due(step, settings.save_steps) or is_last:
        checkpointer.save(step)
    # Asked while the last step was evaluated or saved, say.
    if workers.any_of(bool(trainer.stop_request.read())):
      raise Stopped(f'all {step} steps are done and saved')


def is_over(
  step: int, settings: Settings, evaluation: best_checkpoint.Evaluation | None
) -> bool:
  """Says whether there is nothing left to train, and why.

  Of several workers only the chief has an evaluation; it decides for all.
  """
  if step >= settings.num_steps:
    logging.info('This run has finished: all %d steps are done.', step)
    return True
  if not settings.eval_steps:
    return False
  has_stopped = evaluation is not None and evaluation.has_stopped
  if has_stopped:
    logging.info(
      'This run has stopped early, at step %d of %d: the evaluations brought '
      'no better score (--early_stopping_patience).',
      step,
      settings.num_steps,
    )
  return bool(workers.from_chief(has_stopped))


def _steps_done(trainer: Trainer) -> int:
  return int(trainer.optimizer.step.numpy())


def _check_steps(
  statistics: StepStatistics,
  settings: Settings,
  describe_batch: Callable[[int], str],
) -> None:
  """Names the bad steps; raises a `UserError` if there are too many."""
  for step in statistics.collect():
    what = (
      f'a loss or the norm of its gradient is not finite at step {step}, whose '
      f'batch is {describe_batch(step - 1)}'
    )
    number = statistics.bad_steps.index(step) + 1
    if number > statistics.budget:
      raise UserError(
        f'{what}. The last checkpoint is kept. Is --learning_rate='
        f'{settings.learning_rate} too high? --skip_nonfinite_steps={number} '
        'would leave its update out.'
      )
    logging.warning(
      '%s. Its update is left out, the %d. of %d (--skip_nonfinite_steps).',
      what,
      number,
      statistics.budget,
    )


def _check_scale(means, step: int, settings: Settings) -> None:
  """Raises a `UserError` if float16 has kept the interval from being trained.

  Below 1 the scale would not fall: the gradients are beyond float16.
  """
  if settings.skip_nonfinite_steps:
    return
  if means.get('skipped_steps') == 1.0 and means['loss_scale'] == 1.0:
    raise UserError(
      f'the gradients are not finite in float16 up to step {step}, whatever '
      'the loss scale; the last checkpoint is kept. Try --precision=bfloat16'
    )


def _report(step: int, means, settings: Settings, progress: Progress) -> None:
  """Moves the bar or prints a line."""
  note = f'loss {means["loss"]:.4f}'
  left = '?'
  if rate := means.get('examples_per_second'):
    note += f' · {rate:.1f} examples/s'
    seconds = (settings.num_steps - step) * settings.batch_size / rate
    left = datetime.timedelta(seconds=round(seconds))
  if progress.is_bar:
    progress.update(step, note)
  else:
    logging.info(
      'step %d of %d · %s · %s left', step, settings.num_steps, note, left
    )


class _Events:
  """Points for TensorBoard."""

  def __init__(self, output_dir: str):
    self._folder = os.path.join(output_dir, 'events')
    with files.explained('write', self._folder):
      self._writer = tf.summary.create_file_writer(self._folder)

  def write(self, values: Mapping[str, float], step: int) -> None:
    with files.explained('write', self._folder), self._writer.as_default():
      for name, value in values.items():
        tf.summary.scalar(name, value, step=step)
      self._writer.flush()
