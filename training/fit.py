"""How all three scripts train: where a run starts, and what it is made of."""

from collections.abc import Callable, Mapping
from typing import Protocol

import tensorflow as tf
from absl import logging

from devices import workers
from modeling.checkpoints import exporting, initialisation, loading
from modeling.checkpoints.initialisation import Start
from modeling.dropout import DropoutKey
from modeling.models import released_variables
from system import files
from training import best_checkpoint, train_loop, variable_groups
from training.loss_scale import LossScale
from training.optimization import AdamW, Lamb
from training.resuming import Checkpointer
from training.settings import Settings
from training.step_statistics import StepStatistics
from training.train_step import LossFunction, Trainer


class Batches(Protocol):
  """What a model is trained on, as `input_pipeline.TrainingBatches`."""

  def __call__(
    self, start_step: int, num_replicas: int, own: range
  ) -> tf.data.Dataset:
    """Returns the batches from a step on, cut for the replicas."""

  def describe(self, step: int) -> str:
    """Says which records the batch after `step` steps is of."""


def fit(
  model: tf.Module,
  loss_function: LossFunction,
  batches: Batches,
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
    batches: what it is trained on.
    settings: the run's.
    start: where to start from, if not resumed; its heads may be missing.
    vocab_file: exported beside the weights where given.
    evaluation: what is done every `settings.eval_steps`; it may end the run
      before its last step.
  """
  strategy = tf.distribute.get_strategy()
  variables = released_variables(model)
  trained = _trained(variables, settings, model.config.num_hidden_layers)
  statistics = StepStatistics(settings.skip_nonfinite_steps)
  optimizer = _make_optimizer(
    trained, settings, model.config.num_hidden_layers, statistics
  )

  def export(
    step: int,
    folder: str = settings.output_dir,
    keep: int = settings.keep_checkpoints,
  ) -> str:
    return exporting.export(
      folder, step, variables, model.config, vocab_file, keep
    )

  checkpointer = Checkpointer(
    settings.output_dir, variables, optimizer, statistics, export
  )
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
      settings.output_dir,
      statistics.start,
      lambda step: export(step, best, keep=1),
    )
  # Else it was stopped between two stops, and the second is still to come.
  if statistics.start == step and train_loop.is_over(
    step, settings, evaluation
  ):
    return
  # Every replica takes the next element; the elements are cut from the global
  # batch in the order of the replicas.
  dataset = strategy.distribute_datasets_from_function(
    lambda context: batches(
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
    statistics,
  )
  train_loop.train(
    trainer, checkpointer, settings, evaluation, batches.describe
  )


def _own_replicas(context: tf.distribute.InputContext) -> range:
  """Returns which of all replicas this worker feeds."""
  count = context.num_replicas_in_sync // context.num_input_pipelines
  first = count * context.input_pipeline_id
  return range(first, first + count)


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
  trained: Mapping[str, tf.Variable],
  settings: Settings,
  num_layers: int,
  statistics: StepStatistics,
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
    LossScale() if settings.precision == 'float16' else statistics.unit_scale,
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
    report = loading.load_released(
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
  statistics = StepStatistics(settings.skip_nonfinite_steps)
  optimizer = _make_optimizer(trained, settings, num_layers, statistics)
  trainer = Trainer(
    list(trained.values()),
    optimizer,
    loss_function,
    None,
    DropoutKey(settings.seed, optimizer.step, 0, settings.dropout_rate),
    settings.gradient_accumulation_steps,
    statistics,
  )
  return trainer.replica_step
