"""run_classifier.py's job: fine-tunes, evaluates and predicts on a task.

Tested by `tests/scripts/run_classifier_test.py`.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from data.records.record_source import RecordSource
from data.tasks import classifier_records
from data.tasks.task import Task
from devices import strategies, workers
from modeling.dropout import DropoutKey
from modeling.models import Classifier
from training import (
  checkpoint_choice,
  evaluation,
  model_config,
  seeds,
  task_job,
)
from training.evaluation import Splits
from training.run import Run, train, with_bias_correction
from training.seeds import Command, Scores
from training.task_folder import TaskFolder
from training.task_job_options import TaskJobOptions
from training.trainer import LossFunction
from training.training_job import TrainingJob


def make_job(model: Classifier, task: Task, max_seq_length: int) -> TrainingJob:
  """Returns the job of fine-tuning a model on a task's labels."""
  return task_job.make_classifier_job(
    model,
    task,
    max_seq_length,
    _task_loss(model, task),
    classifier_records.record_fields(task),
  )


def _task_loss(model: Classifier, task: Task) -> LossFunction:
  """Returns the cross-entropy of the labels, or the squared error."""

  def loss_function(batch, dropout: DropoutKey | None):
    logits = model(batch, dropout=dropout)['logits']
    weights = tf.cast(batch['is_real_example'], tf.float32)
    labels, denominator = batch['label_ids'], batch['example_denominator']
    return {
      'loss': task_job.label_loss(task, logits, labels, weights, denominator)
    }

  return loss_function


def run(options: TaskJobOptions, command: Command) -> None:
  """Does what run_classifier.py's flags ask for.

  Args:
    options: all settings of the script.
    command: see `Command`.

  Raises:
    UserError: a setting, file or checkpoint does not fit; checked before the
      first expensive step where possible.
    Stopped: the run was asked to stop, and has saved its state.
  """
  strategy = strategies.make_strategy(options.devices)
  task = task_job.make_labelled_task(options)
  splits = evaluation.read_splits(
    task,
    options.task.data_dir,
    options.evaluation,
    *['train'] * options.training.do_train,
  )
  tokenizer = task_job.make_tokenizer(options)
  text = task_job.text_of(tokenizer, options)
  config = model_config.choose_config(options.model, text, task)
  checkpoint_choice.check_start(options.model, config, text)

  def run_seed(options, command) -> Scores:
    checkpoint_choice.check_named_checkpoint(options.training, options.model)
    folder = task_job.make_task_folder(task, tokenizer, options)
    model = task_job.make_classifier(config, task, options)
    if options.training.do_train:
      _train(model, folder, splits, options, command)
    return task_job.evaluate(model, folder, splits, options, text)

  with workers.running(strategy):
    seeds.run(options, command, run_seed)


def _train(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  options: TaskJobOptions,
  command: Mapping[str, Any],
) -> None:
  task, examples = folder.task, splits['train']

  def make_source() -> RecordSource:
    task_job.report_on_data(folder, splits, model.config)
    return folder.write_training_records(examples)

  settings = with_bias_correction(
    options.settings(len(examples)), num_labelled_examples=len(examples)
  )
  identity = {
    'script': 'run_classifier',
    'num_train_examples': len(examples),
    'train_data': classifier_records.checksum(examples),
    **task_job.task_identity(folder),
    **evaluation.identity(task, splits, options.evaluation),
  }
  train(
    make_job(model, task, folder.max_seq_length),
    Run(
      settings,
      options.model,
      identity,
      command,
      options.tokenizer.vocab_file,
      task,
    ),
    make_source,
    evaluation.during_training(model, folder, splits, options.evaluation),
  )
