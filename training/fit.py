"""Trains a job to its last step: the first weights, the optimizer, the loop."""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import tensorflow as tf
from absl import logging

from data.records import dataset_options
from data.records.training_input import TrainingBatches
from devices import workers
from modeling.checkpoints import initialisation, loading
from modeling.checkpoints.initialisation import Start
from modeling.dropout import DropoutKey
from system.progress import announced
from training import best_checkpoint, disk_space, train_loop, variable_groups
from training.best_checkpoint import Evaluation
from training.compile_ahead import StepCompiler
from training.loss_scale import LossScale
from training.optimization import AdamW, Lamb
from training.options import RunSettings
from training.resuming import Checkpointer
from training.step_statistics import StepStatistics
from training.trainer import Trainer
from training.training_job import TrainingJob


def fit(
  job: TrainingJob,
  batches: TrainingBatches,
  settings: RunSettings,
  start: Start,
  export: Callable[..., str],
  evaluation: Evaluation | None = None,
) -> None:
  """Trains a model to its last step; resumes if its folder holds a checkpoint.

  Call it in the strategy's scope, in which the model was made.
  `initialisation` numbers the ways in which a run starts.

  Args:
    job: the model and its loss.
    batches: the training data.
    settings: how the run trains.
    start: the first weights of a run that is not resumed; the checkpoint may
      lack the heads.
    export: writes the weights; see `training.run.Export`.
    evaluation: runs every `settings.eval_steps`; it may end the run early.

  Raises:
    UserError: a checkpoint does not fit, or as for `train_loop.train`.
    Stopped: the run was asked to stop, and has saved its state.
  """
  trainer = make_trainer(job, settings)
  # Before the start, so that a resumed run finds the programs of the first one.
  compiler = trainer.compiler(lambda: batches(0, 1, range(1)))
  checkpointer = Checkpointer(
    settings.output_dir,
    job.all_variables,
    trainer.optimizer,
    trainer.statistics,
    export,
    lambda step: settings.is_due(step, settings.save_checkpoints_steps),
  )
  step = _start(checkpointer, start, job.variables)
  # All workers choose the resume step before the chief saves.
  workers.check_same(step, 'the resume step')
  if not step:
    if workers.is_chief():
      best_checkpoint.discard(settings.output_dir)
    checkpointer.start(exports=settings.save_initial_checkpoint)
  evaluation = _resumed(
    evaluation, settings.output_dir, trainer.statistics.start, export
  )
  # A run that stopped mid-interval finishes its interval first.
  is_between_intervals = trainer.statistics.start == step
  if is_between_intervals and train_loop.is_over(step, settings, evaluation):
    return
  logging.info(
    '%s',
    disk_space.describe(
      settings, job.variables.values(), checkpointer.num_bytes
    ),
  )
  trainer.train_dataset = _distributed(batches, step)
  if compiler:
    _compile_ahead(compiler, job, settings, batches.lengths(step))
  train_loop.train(
    trainer, checkpointer, settings, evaluation, batches.describe
  )


def _resumed(
  evaluation: Evaluation | None,
  output_dir: str,
  step: int,
  export: Callable[[int, str], str],
) -> Evaluation | None:
  """Resumes the evaluation on the chief; returns None on other workers."""
  if not workers.is_chief():
    evaluation = None

  def resume() -> None:
    if evaluation:
      evaluation.resume(output_dir, step, export)

  workers.chief_does(resume)
  return evaluation


def _distributed(
  batches: TrainingBatches, step: int
) -> tf.distribute.DistributedDataset:
  """Returns the batches that follow `step` steps, for the strategy's replicas.

  Each replica takes the next element of its worker's dataset, in the order in
  which the global batch was cut.
  """
  dataset_options.apply_to_device_iterators()
  strategy = tf.distribute.get_strategy()
  return strategy.distribute_datasets_from_function(
    lambda context: batches(
      step, context.num_replicas_in_sync, _own_replicas(context)
    )
  )


def make_trainer(job: TrainingJob, settings: RunSettings) -> Trainer:
  """Makes the optimizer and the training step of a job, without any data.

  Call it in the strategy's scope, in which the model was made.
  """
  trained = _trained_variables(job, settings)
  statistics = StepStatistics(settings.skip_nonfinite_steps)
  optimizer = _make_optimizer(trained, job.num_layers, settings, statistics)
  return Trainer(
    list(trained.values()),
    optimizer,
    job.loss_function,
    DropoutKey(settings.seed, optimizer.step, 0, settings.dropout_rate),
    settings.gradient_accumulation_steps,
    statistics,
  )


def _compile_ahead(
  compiler: StepCompiler,
  job: TrainingJob,
  settings: RunSettings,
  lengths: Sequence[int],
) -> None:
  """Compiles the step for the lengths of the next batches, side by side."""
  logging.info(
    'Compiling the step for batches of the lengths %s.',
    ', '.join(map(str, lengths)),
  )
  started = time.monotonic()
  rows, done = settings.train_batch_size, itertools.count(1)

  def say(signature: Mapping[str, tf.TensorSpec]) -> None:
    logging.info(
      'Compiled the step for length %d, %d of %d, in %.0f s.',
      signature['input_ids'].shape[1],
      next(done),
      len(lengths),
      time.monotonic() - started,
    )

  # The longest takes the most time, so it begins first.
  signatures = [job.signature(rows, n) for n in reversed(lengths)]
  with announced('Compiling the step'):
    compiler.compile(signatures, say)


def _own_replicas(context: tf.distribute.InputContext) -> range:
  """Returns the numbers of the replicas that this worker feeds."""
  count = context.num_replicas_in_sync // context.num_input_pipelines
  first = count * context.input_pipeline_id
  return range(first, first + count)


def _trained_variables(
  job: TrainingJob, settings: RunSettings
) -> dict[str, tf.Variable]:
  """Returns the variables to train; logs how many are frozen."""
  trained = {
    name: variable
    for name, variable in job.all_variables.items()
    if not variable_groups.is_frozen(name, job.num_layers, settings.freeze)
  }
  if settings.freeze:
    num_variables = len(job.all_variables)
    logging.info(
      'Frozen: %d of %d variables (`freeze`=%s).',
      num_variables - len(trained),
      num_variables,
      settings.freeze,
    )
  return trained


def _make_optimizer(
  trained: Mapping[str, tf.Variable],
  num_layers: int,
  settings: RunSettings,
  statistics: StepStatistics,
) -> AdamW:
  """Makes the optimizer and the slots that it keeps for each variable."""
  make = {'adamw': AdamW, 'lamb': Lamb}[settings.optimizer]
  is_float16 = settings.precision == 'float16'
  return make(
    list(trained.values()),
    settings.learning_rate,
    settings.num_train_steps,
    settings.num_warmup_steps,
    bool(settings.adam_bias_correction),
    [
      variable_groups.rate_factor(name, num_layers, settings.layer_decay)
      for name in trained
    ],
    LossScale() if is_float16 else statistics.unit_scale,
  )


def _start(
  checkpointer: Checkpointer,
  start: Start,
  variables: Mapping[str, tf.Variable],
) -> int:
  """Gives the weights their first values, logs how, and returns the step."""
  if checkpointer.can_restore:
    _log(initialisation.explain(initialisation.RESUMED))
    step = checkpointer.restore()
    logging.info('Resumed at step %d.', step)
    return step
  if start.checkpoint:
    _log(initialisation.explain(initialisation.WARM))
    report = loading.load_released(
      start.checkpoint,
      variables,
      init=start.init,
      extends_positions=start.extends_positions,
      head_rows=start.head_rows,
    )
    report.log()
    logging.info('A warm start: step 0 of a new run.')
  else:
    _log(initialisation.explain(initialisation.FRESH))
    logging.info('A fresh start: step 0, random weights.')
  return 0


def _log(lines: Iterable[str]) -> None:
  """Logs lines for those who ask for all."""
  for line in lines:
    logging.debug('%s', line)
