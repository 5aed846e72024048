"""One training run: locks and claims its folder, gets its records, trains.

Tested by `tests/scripts/run_classifier_test.py` and
`tests/cli/training_flags_test.py`.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from data.records import record_index, training_input
from data.records.record_source import RecordSource
from data.records.training_order import GROUP_RECORDS, TrainingOrder
from data.tasks import label_order
from data.tasks.task import Task
from devices import workers
from modeling.checkpoints import exporting, model_file
from modeling.checkpoints.initialisation import Start
from modeling.checkpoints.location import label_folders
from modeling.checkpoints.model_file import ModelFile, TaskRecord
from modeling.options import ModelOptions
from system import text_files
from system.errors import UserError
from system.progress import announced
from training import (
  best_checkpoint,
  output_folder_check,
  resuming,
  run_folder,
  run_lock,
)
from training.fit import fit
from training.options import RunSettings
from training.training_job import TrainingJob

# With fewer labelled examples, fine-tuning depends strongly on the seed. CoLA,
# MRPC, RTE, STS-B and WNLI have fewer; the studies that the help of
# `adam_bias_correction` cites used such tasks.
_SMALL_TRAINING_SET = 10_000
# In a run's folder: the indexes of record files that have none next to them.
_INDEXES = 'record_indexes.json'


@dataclasses.dataclass(frozen=True)
class Run:
  """A training run's settings and identity, besides its job and records.

  Attributes:
    settings: how it trains.
    model: where the first weights come from.
    identity: everything else that decides the weights, for `run.json`: JSON
      values by name.
    command: the script and its flags, which `from_run` reads.
    vocab_file: exported with the weights if given.
    task: the order of its labels is that of a classifier's head.
  """

  settings: RunSettings
  model: ModelOptions
  identity: Mapping[str, Any]
  command: Mapping[str, Any]
  vocab_file: str | None = None
  task: Task | None = None

  def description(self) -> ModelFile:
    """Returns the content of the model.json next to the weights."""
    casing = self.identity.get('do_lower_case')
    if not (task := self.task):
      return ModelFile(do_lower_case=casing)
    record = TaskRecord(task.name, tuple(task.labels), task.is_pair)
    return ModelFile(record, casing, self.model.max_seq_length)


@dataclasses.dataclass(frozen=True)
class Export:
  """Writes the weights of a run as other programs load them.

  Attributes:
    job: the model.
    settings: the run's.
    vocabulary: the lines of the vocab.txt next to the weights; None for no such
      file.
    description: goes next to the weights, as model.json.
  """

  job: TrainingJob
  settings: RunSettings
  vocabulary: Sequence[str] | None = None
  description: ModelFile = model_file.UNKNOWN

  def __call__(self, step: int, folder: str | None = None) -> str:
    """Exports the current weights; see `exporting.export`.

    Args:
      step: the number of training steps done.
      folder: will hold only this checkpoint; None for the run's folder, which
        keeps as many as the settings say.

    Returns:
      The checkpoint's prefix.
    """
    return exporting.export(
      folder or self.settings.output_dir,
      step,
      self.job.variables,
      self.job.model.config,
      self.vocabulary,
      1 if folder else self.settings.keep_checkpoint_max,
      self.description,
    )


def train(
  job: TrainingJob,
  run: Run,
  make_source: Callable[[], RecordSource],
  evaluation: best_checkpoint.Evaluation | None = None,
) -> None:
  """Trains a job in the folder of its run.

  Call it in the strategy's scope, in which the model was made.

  Args:
    job: the model and its loss.
    run: how and where to train; `with_bias_correction` has completed its
      settings.
    make_source: returns the training records; called once the run owns its
      folder. The chief calls it first; the other workers find the files that
      the chief wrote.
    evaluation: runs every `settings.eval_steps`.

  Raises:
    UserError: the settings do not fit the model or the devices, the folder is
      in use or holds another run, or training fails by the user's mistake.
    Stopped: the run was asked to stop, and has saved its state.
  """
  settings = run.settings
  if settings.num_warmup_steps > settings.num_train_steps:
    logging.warning(
      '`num_warmup_steps`=%d is more than `num_train_steps`=%d: the learning '
      'rate never reaches its peak',
      settings.num_warmup_steps,
      settings.num_train_steps,
    )
  settings.check_fits(
    tf.distribute.get_strategy().num_replicas_in_sync, job.num_layers
  )
  # The file may change while the run trains.
  vocabulary = None
  if run.vocab_file:
    vocabulary = [*text_files.read_lines(run.vocab_file)]
  with run_lock.held(settings.output_dir):
    workers.chief_does(
      lambda: output_folder_check.check_run(
        settings.output_dir,
        job.model.config.to_dict(),
        vocabulary,
        run.task.labels if run.task else None,
      )
    )
    run_folder.claim(
      settings.output_dir,
      _identity(job, run),
      resuming.has_progress(settings.output_dir),
      command=run.command,
    )
    with workers.chief_first(), announced('Preparing the training records'):
      source = make_source()
      source.check()
    export = Export(job, settings, vocabulary, run.description())
    _train_on(source, job, run, export, evaluation)


def _identity(job: TrainingJob, run: Run) -> dict[str, Any]:
  """Returns everything that decides the run's weights."""
  checkpoint = run.model.checkpoint
  return {
    **run.settings.weights_decided_by(),
    **run.identity,
    'bert_config': job.model.config.to_dict(),
    'init': run.model.init,
    'init_checkpoint': checkpoint and checkpoint.checksum(),
    'max_seq_length': run.model.max_seq_length,
  }


def _train_on(
  source: RecordSource,
  job: TrainingJob,
  run: Run,
  export: Export,
  evaluation: best_checkpoint.Evaluation | None,
) -> None:
  settings = run.settings
  kept_file = os.path.join(settings.output_dir, _INDEXES)
  more = f' and {len(source.paths) - 1} others' if source.paths[1:] else ''
  with announced(f'Reading {source.paths[0]}{more}'):
    indexes = record_index.load_indexes(
      source.paths, kept_file, writes=workers.is_chief()
    )
  order = TrainingOrder(indexes, settings.train_batch_size, settings.seed)
  check_batch_size(settings.train_batch_size, order.num_records)
  logging.info(
    'Trains on %s examples: %s steps of %d',
    f'{order.num_records:,}',
    f'{settings.num_train_steps:,}',
    settings.train_batch_size,
  )
  with source.explained(indexes):
    fit(
      job,
      training_input.TrainingBatches(source, order),
      settings,
      _start(run),
      export,
      evaluation,
    )


def check_batch_size(batch_size: int, num_examples: int) -> None:
  """Refuses a batch that repeats its examples, unless it is small.

  A few examples may try out a command that is meant for many.

  Raises:
    UserError: the batch is larger than the epoch and than `GROUP_RECORDS`.
  """
  largest = max(num_examples, GROUP_RECORDS)
  if batch_size > largest:
    raise UserError(
      f'`train_batch_size`={batch_size} is more than the {num_examples:,} '
      'training examples, so each step would repeat all of them; expected at '
      f'most {largest:,}'
    )


def _start(run: Run) -> Start:
  model, head_rows = run.model, None
  if run.task and model.checkpoint:
    folders = label_folders(model.checkpoint.prefix)
    head_rows = label_order.head_rows(run.task, folders, is_training=True)
  return Start(model.checkpoint, model.init, model.extend_positions, head_rows)


def with_bias_correction(
  settings: RunSettings, num_labelled_examples: int | None = None
) -> RunSettings:
  """Chooses `adam_bias_correction` if the user did not; logs why.

  Args:
    settings: the run's.
    num_labelled_examples: the size of the labelled training set; None if the
      run does not fine-tune on labels.
  """
  if settings.adam_bias_correction is not None:
    chosen, reason = settings.adam_bias_correction, 'set by the user'
  elif settings.optimizer == 'lamb':
    chosen, reason = True, 'as in the paper on LAMB'
  elif (
    num_labelled_examples is not None
    and num_labelled_examples < _SMALL_TRAINING_SET
  ):
    chosen = True
    reason = (
      f'{num_labelled_examples} training examples are fewer than '
      f'{_SMALL_TRAINING_SET}: without it some seeds fail'
    )
  else:
    chosen, reason = False, 'as in BERT'
  logging.info(
    "The bias correction of Adam's moments (`adam_bias_correction`) is %s: %s.",
    'on' if chosen else 'off',
    reason,
  )
  return dataclasses.replace(settings, adam_bias_correction=chosen)
