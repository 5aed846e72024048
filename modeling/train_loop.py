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

from data import files
from data.errors import Stopped, UserError
from data.progress import Progress
from modeling import best_checkpoint, stopping, workers
from modeling.profiling import Profile, profiled_steps
from modeling.resuming import Checkpointer
from modeling.run_folder import MetricsLog
from modeling.settings import Settings
from modeling.tally import Tally
from modeling.train_step import Trainer


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
  tally = trainer.tally
  step = _steps_done(trainer)
  metrics = MetricsLog(settings.output_dir)
  if is_chief := workers.is_chief():
    metrics.resume(tally.start)
    events = _Events(settings.output_dir)
  is_profiled = settings.is_profiled and is_chief
  profiled = (
    profiled_steps(step, settings.num_steps) if is_profiled else range(0)
  )
  with (
    Progress(settings.num_steps, ' steps', initial=step) as progress,
    stopping.heeded(trainer.wish.set),
    Profile(settings.output_dir, profiled) as profile,
  ):
    is_last = False
    while not is_last:
      started, first = time.perf_counter(), step
      # Where a run goes on between two stops, that is the later one.
      stop = settings.next_stop(max(tally.start, step - 1))
      profile.train(trainer, step, stop)
      step = _steps_done(trainer)
      _check_steps(tally, settings, describe_batch)
      if trainer.was_stopped:
        checkpointer.save(step)
        raise Stopped(f'saved at step {step} of {settings.num_steps}')
      means = tally.means(step)
      means['learning_rate'] = float(trainer.optimizer.current_learning_rate())
      _check_scale(means, step, settings)
      tally.begin(step)
      if is_chief:
        metrics.append(step, means)
        seconds = (time.perf_counter() - started) / max(1, step - first)
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
    if workers.any_of(bool(trainer.wish.read())):
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
  tally: Tally, settings: Settings, describe_batch: Callable[[int], str]
) -> None:
  """Names the bad steps; raises a `UserError` if there are too many."""
  for step in tally.collect():
    what = (
      f'a loss or the norm of its gradient is not finite at step {step}, whose '
      f'batch is {describe_batch(step - 1)}'
    )
    number = tally.bad_steps.index(step) + 1
    if number > tally.budget:
      raise UserError(
        f'{what}. The last checkpoint is kept. Is --learning_rate='
        f'{settings.learning_rate} too high? --skip_nonfinite_steps={number} '
        'would leave its update out.'
      )
    logging.warning(
      '%s. Its update is left out, the %d. of %d (--skip_nonfinite_steps).',
      what,
      number,
      tally.budget,
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
  rate = means['examples_per_second']
  note = f'loss {means["loss"]:.4f} · {rate:.1f} examples/s'
  if progress.is_bar:
    progress.update(step, note)
  else:
    left = (settings.num_steps - step) * settings.batch_size / rate
    logging.info(
      'step %d of %d · %s · %s left',
      step,
      settings.num_steps,
      note,
      datetime.timedelta(seconds=round(left)),
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
