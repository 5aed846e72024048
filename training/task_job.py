"""What the jobs on a task share: fine-tuning and distillation.

Tested by `tests/scripts/run_classifier_test.py` and
`tests/scripts/run_distillation_test.py`.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from data.tasks import data_report
from data.tasks.options import make_task
from data.tasks.task import Task
from data.text.tokenization import BertTokenizer
from devices import workers
from modeling.checkpoints import location
from modeling.configs import BertConfig
from modeling.models import Classifier
from system import files
from system.errors import UserError
from training import (
  checkpoint_choice,
  evaluation,
  losses,
  result_file_check,
  run_lock,
  seed_folders,
)
from training.evaluation import Splits
from training.evaluation_options import TaskEvaluationOptions
from training.model_config import TokenizerRecord
from training.seeds import Scores
from training.task_folder import MoreScores, TaskFolder
from training.task_job_options import TaskJobOptions
from training.trainer import LossFunction
from training.training_job import TrainingJob


def make_labelled_task(
  options: TaskJobOptions, teacher_folders: Sequence[str] = ()
) -> Task:
  """Returns the task, with its labels in the order of the models in use.

  Args:
    options: which task, and which models.
    teacher_folders: folders of the teacher, or of the dumps to train on, whose
      labels take precedence over those of `label_folders`.

  Raises:
    UserError: as for `make_task`, or a requested job needs labels that the task
      lacks.
  """
  task = make_task(
    options.task,
    label_folders(options),
    teacher_folders,
    options.training.do_train,
  )
  jobs = options.jobs_on_labels()
  if jobs and 'train' not in task.splits:
    raise UserError(
      f'{", ".join(f"`{job}`" for job in jobs)} cannot take effect: '
      f'{task.name} is a test set without labels. Train with '
      '`task_name`=MNLI, then give that checkpoint to `do_predict`.'
    )
  return task


def label_folders(options: TaskJobOptions) -> list[str]:
  """Returns the folders that may give the labels' order.

  These are the folders of the runs that made the models in use.
  """
  training, folders = options.training, []
  if not training.do_train and training.output_dir:
    output_dir = seed_folders.of_first_seed(options).output_dir
    folders += location.label_folders(output_dir)
  if options.model.init_checkpoint:
    folders += location.label_folders(options.model.init_checkpoint)
  return folders


def make_tokenizer(options: TaskJobOptions) -> BertTokenizer:
  """Returns the tokenizer of `vocab_file` and `do_lower_case`."""
  return BertTokenizer(
    options.tokenizer.vocab_file, options.tokenizer.do_lower_case
  )


def text_of(
  tokenizer: BertTokenizer, options: TaskJobOptions
) -> TokenizerRecord:
  """Describes how a job turns text into ids."""
  return TokenizerRecord(
    options.tokenizer.vocab_file,
    tokenizer.vocab_size,
    tokenizer.vocab_checksum,
    tokenizer.do_lower_case,
  )


def make_task_folder(
  task: Task, tokenizer: BertTokenizer, options: TaskJobOptions
) -> TaskFolder:
  """Returns the task in `output_dir`, which the chief makes if missing.

  Raises:
    UserError: the folder holds another program's file under the name of a
      result.
  """
  output_dir = options.training.output_dir

  def prepare() -> None:
    files.make_folder(output_dir)
    check_results(output_dir, task, options.evaluation)

  workers.chief_does(prepare)
  return TaskFolder(task, tokenizer, options.model.max_seq_length, output_dir)


def check_results(folder: str, task: Task, jobs: TaskEvaluationOptions) -> None:
  """Checks that a job's results replace no file of another program.

  Raises:
    UserError: they would; the message names the file.
  """
  result_file_check.check_replaceable(
    folder,
    bool(jobs.do_eval or jobs.eval_steps or jobs.calibrate),
    jobs.do_predict,
    ('', '_mismatched') if 'dev_mismatched' in task.splits else ('',),
  )


def report_on_data(
  folder: TaskFolder, splits: Splits, config: BertConfig
) -> None:
  """Logs what the data is like, and writes `data_report.json`; on the chief."""
  if workers.is_chief() and any(splits.values()):
    positions = config.max_position_embeddings
    report = make_data_report(folder, splits, positions)
    data_report.show(report)
    data_report.write(report, folder.output_dir)


def make_data_report(
  folder: TaskFolder, splits: Splits, max_positions: int
) -> dict[str, Any]:
  """Returns the report on splits as a model of this input length sees them."""
  return data_report.make(
    folder.task,
    splits,
    data_report.measure_with(folder.tokenizer),
    folder.max_seq_length,
    max_positions,
  )


def make_classifier(
  config: BertConfig, task: Task, options: TaskJobOptions
) -> Classifier:
  """Makes a model with fresh weights; call it in the strategy's scope."""
  return Classifier(
    config, task.num_outputs, options.devices.precision, options.training.seed
  )


def make_classifier_job(
  model: Classifier,
  task: Task,
  max_seq_length: int,
  loss_function: LossFunction,
  fields: Sequence,
) -> TrainingJob:
  """Returns a job of training a classifier or regressor.

  Args:
    model: the model.
    task: gives the number of classes, C.
    max_seq_length: S.
    loss_function: see `LossFunction`.
    fields: the fields of a training record.
  """
  dims = {'S': max_seq_length, 'C': task.num_outputs}
  return TrainingJob(model, loss_function, fields, dims)


def label_loss(
  task: Task,
  logits: tf.Tensor,
  labels: tf.Tensor,
  weights: tf.Tensor,
  denominator: tf.Tensor,
) -> tf.Tensor:
  """Sums the weighted losses of labels over a denominator.

  Args:
    task: decides whether the labels are classes or numbers.
    logits: float32 [B, C].
    labels: int [B], classes; or float32 [B], numbers.
    weights: float32 [B].
    denominator: float32 scalar.

  Returns:
    float32 scalar: cross-entropy in nats, or squared error.
  """
  if task.is_regression:
    return losses.squared_error(logits[:, 0], labels, weights, denominator)
  return losses.cross_entropy(logits, labels, weights, denominator)


def task_identity(folder: TaskFolder) -> dict[str, Any]:
  """Returns the part of a run's identity that its task gives."""
  task, tokenizer = folder.task, folder.tokenizer
  return {
    'do_lower_case': tokenizer.do_lower_case,
    # The labels of other tasks are fixed.
    'labels': list(task.labels) if task.name == 'custom' else None,
    'task_name': task.name.lower(),
    'vocabulary': tokenizer.vocab_checksum,
  }


def evaluate(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  options: TaskJobOptions,
  text: TokenizerRecord,
  more_scores: MoreScores | None = None,
) -> Scores:
  """Calibrates, evaluates and predicts on the chief; other workers wait.

  Returns:
    The scores by name; empty on the other workers.
  """
  jobs = options.evaluation
  if not (jobs.do_eval or jobs.do_predict or jobs.calibrate):
    return {}

  def evaluate_trained() -> Scores:
    with run_lock.shared(folder.output_dir):
      checkpoint = checkpoint_choice.trained_checkpoint(
        folder.output_dir, options.model, text
      )
      return evaluation.evaluate_and_predict(
        model, folder, splits, jobs, checkpoint, more_scores
      )

  return workers.chief_does(evaluate_trained) or {}
