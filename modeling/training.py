"""One train step and one loop for all three scripts.

The device's loop is Orbit's; the host's is `_train` below, because Orbit's own
`Controller` prints every line twice and knows neither examples per second nor
the time that is left.
"""

import datetime
import math
import os
import time
from collections.abc import Callable, Mapping

import tensorflow as tf
from absl import logging

from data import files
from data.errors import UserError
from data.progress import Progress
from modeling import (
  best_checkpoint,
  checkpoints,
  exporting,
  initialisation,
  variable_groups,
  workers,
)
from modeling.dropout import DropoutKey
from modeling.initialisation import Start
from modeling.models import released_variables
from modeling.optimization import AdamW, Lamb
from modeling.precision import LossScale
from modeling.resuming import Checkpointer
from modeling.run_folder import MetricsLog
from modeling.settings import Settings
from modeling.train_step import LossFunction, Trainer


def fit(
  model: tf.Module,
  loss_function: LossFunction,
  make_batches: Callable[[int, int, range], tf.data.Dataset],
  settings: Settings,
  start: Start,
  vocab_file: str | None = None,
  evaluation: best_checkpoint.Evaluation | None = None,
) -> None:
  """Trains a model to its last step, from wherever its folder says it is.

  Call it under the strategy's scope, in which the model was made. How a run
  starts, in order of precedence, is numbered in `initialisation`.

  Args:
    model: with `config`; its trainable weights carry released names.
    loss_function: see `LossFunction`.
    make_batches: (first step, number of replicas, those of this worker) →
      dataset, as `data.input_pipeline.training_batches`.
    settings: the run's.
    start: where to start from, if not resumed; its heads may be missing.
    vocab_file: exported beside the weights where given.
    evaluation: what is done every `settings.eval_steps`; it may end the run
      before its last step.
  """
  strategy = tf.distribute.get_strategy()
  variables = released_variables(model)
  trained = _trained(variables, settings, model.config.num_hidden_layers)
  optimizer = _make_optimizer(trained, settings, model.config.num_hidden_layers)

  def export(
    step: int,
    folder: str = settings.output_dir,
    keep: int = settings.keep_checkpoints,
  ) -> str:
    return exporting.export(
      folder, step, variables, model.config, vocab_file, keep
    )

  checkpointer = Checkpointer(settings.output_dir, variables, optimizer, export)
  step = _start(checkpointer, start, variables)
  # None looks for something to go on from when the first checkpoint is written.
  workers.check_same(step, 'the step to go on from')
  if not workers.is_chief():
    evaluation = None
  elif not step:
    best_checkpoint.discard(settings.output_dir)
  if not step:
    # As the original does: the weights that the run began with.
    checkpointer.save(step)
  if evaluation:
    best = best_checkpoint.folder(settings.output_dir)
    files.make_folder(best)
    evaluation.resume(
      settings.output_dir, step, lambda step: export(step, best, keep=1)
    )
  if _is_over(step, settings, evaluation):
    return
  # Every replica takes the next element; the elements are cut from the global
  # batch in the order of the replicas.
  dataset = strategy.distribute_datasets_from_function(
    lambda context: make_batches(
      step, context.num_replicas_in_sync, _own_replicas(context)
    )
  )
  trainer = Trainer(
    list(trained.values()),
    optimizer,
    loss_function,
    dataset,
    DropoutKey(settings.seed, optimizer.step, 0, settings.dropout_rate),
    settings.gradient_accumulation_steps,
  )
  _train(trainer, checkpointer, optimizer, settings, evaluation)


def _own_replicas(context: tf.distribute.InputContext) -> range:
  """Returns which of all replicas this worker feeds."""
  count = context.num_replicas_in_sync // context.num_input_pipelines
  first = count * context.input_pipeline_id
  return range(first, first + count)


def _is_over(step: int, settings: Settings, evaluation) -> bool:
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


def _trained(
  variables: Mapping[str, tf.Variable], settings: Settings, num_layers: int
) -> dict[str, tf.Variable]:
  """Returns the variables that are not frozen; says how many are."""
  trained = {
    name: variable
    for name, variable in variables.items()
    if not variable_groups.is_frozen(name, num_layers, settings.freeze)
  }
  if settings.freeze:
    logging.info(
      'Frozen: %d of %d variables (--freeze=%s).',
      len(variables) - len(trained),
      len(variables),
      settings.freeze,
    )
  return trained


def _make_optimizer(
  trained: Mapping[str, tf.Variable], settings: Settings, num_layers: int
) -> AdamW:
  """Makes the optimizer of a run, with the state that it keeps."""
  make = {'adamw': AdamW, 'lamb': Lamb}[settings.optimizer]
  return make(
    list(trained.values()),
    settings.learning_rate,
    settings.num_steps,
    settings.num_warmup_steps,
    settings.bias_correction,
    [
      variable_groups.rate_factor(name, num_layers, settings.layer_decay)
      for name in trained
    ],
    LossScale() if settings.precision == 'float16' else None,
  )


def _start(
  checkpointer: Checkpointer,
  start: Start,
  variables: Mapping[str, tf.Variable],
) -> int:
  """Gives the weights their first values; says how; returns the step."""
  if checkpointer.can_restore:
    _log(initialisation.explain(initialisation.RESUMED))
    step = checkpointer.restore()
    logging.info('Resumed at step %d.', step)
    return step
  if start.checkpoint:
    _log(initialisation.explain(initialisation.WARM))
    report = checkpoints.load_released(
      start.checkpoint,
      variables,
      init=start.init,
      extends_positions=start.extends_positions,
    )
    _log(report.lines())
    logging.info('A warm start: step 0 of a new run.')
  else:
    _log(initialisation.explain(initialisation.FRESH))
    logging.info('A fresh start: step 0, random weights.')
  return 0


def _log(lines: list[str]) -> None:
  for line in lines:
    logging.info('%s', line)


def _train(
  trainer, checkpointer, optimizer, settings: Settings, evaluation
) -> None:
  """Trains to the end, logging, evaluating and saving on the way."""
  step = int(optimizer.step.numpy())
  metrics = MetricsLog(settings.output_dir)
  events = tf.summary.create_noop_writer()
  if is_chief := workers.is_chief():
    metrics.resume(step)
    folder = os.path.join(settings.output_dir, 'events')
    events = tf.summary.create_file_writer(folder)
  with (
    events.as_default(),
    Progress(settings.num_steps, ' steps', initial=step) as progress,
  ):
    is_over = False
    while not is_over:
      started = time.perf_counter()
      first, step = step, settings.next_stop(step)
      sums = trainer.train(tf.constant(step - first))
      means = {name: total / (step - first) for name, total in sums.items()}
      means['learning_rate'] = float(optimizer.current_learning_rate())
      _check_progress(means, f'between steps {first} and {step}', settings)
      if is_chief:
        metrics.append(step, means)
        speed = (step - first) / (time.perf_counter() - started)
        _report(step, means, speed, settings, progress)
      if evaluation and settings.is_due(step, settings.eval_steps):
        _write_scalars(evaluation.run(step), step)
      is_over = _is_over(step, settings, evaluation)
      # Saved last: a run killed before it does this interval again.
      if settings.is_due(step, settings.save_steps) or is_over:
        checkpointer.save(step)


def _check_progress(means, when: str, settings: Settings) -> None:
  """Raises a `UserError` if the steps since the last stop came to nothing."""
  for name in ('loss', 'gradient_norm'):
    if not math.isfinite(means[name]):
      raise UserError(
        f'the {name} is {means[name]} {when}; the last checkpoint is kept. '
        f'Is --learning_rate={settings.learning_rate} too high?'
      )
  # Below 1 the scale would not fall: the gradients are beyond float16.
  if means.get('skipped_steps') == 1.0 and means['loss_scale'] == 1.0:
    raise UserError(
      f'the gradients are not finite in float16 {when}, whatever the loss '
      'scale; the last checkpoint is kept. Try --precision=bfloat16'
    )


def _report(
  step: int, means, speed: float, settings: Settings, progress: Progress
) -> None:
  """Moves the bar or prints a line, and writes TensorBoard's scalars."""
  rate = speed * settings.batch_size
  note = f'loss {means["loss"]:.4f} · {rate:.1f} examples/s'
  if progress.is_bar:
    progress.update(step, note)
  else:
    left = round((settings.num_steps - step) / speed)
    logging.info(
      'step %d of %d · %s · %s left',
      step,
      settings.num_steps,
      note,
      datetime.timedelta(seconds=left),
    )
  _write_scalars({**means, 'examples_per_second': rate}, step)


def _write_scalars(values: Mapping[str, float], step: int) -> None:
  """Writes points for TensorBoard."""
  for name, value in values.items():
    tf.summary.scalar(name, value, step=step)
  tf.summary.flush()


def make_replica_step(
  model: tf.Module, loss_function: LossFunction, settings: Settings
) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor]:
  """Returns `Trainer.replica_step` of a run that does not take place.

  Args:
    model: as in `fit`.
    loss_function: as in `fit`.
    settings: the run's.
  """
  num_layers = model.config.num_hidden_layers
  trained = _trained(released_variables(model), settings, num_layers)
  optimizer = _make_optimizer(trained, settings, num_layers)
  trainer = Trainer(
    list(trained.values()),
    optimizer,
    loss_function,
    None,
    DropoutKey(settings.seed, optimizer.step, 0, settings.dropout_rate),
    settings.gradient_accumulation_steps,
  )
  return trainer.replica_step
