"""Evaluates and predicts a task, during and after training.

Tested by `tests/training/task_folder_test.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from data.tasks import classifier_records, text_rows
from data.tasks.examples import Example
from data.tasks.task import Task
from modeling.checkpoints.location import Checkpoint
from modeling.models import Classifier
from system.errors import UserError, listed
from training import best_checkpoint, calibration, metrics, scoring
from training.evaluation_options import TaskEvaluationOptions
from training.task_folder import MoreScores, TaskFolder

# Split's name → its examples.
Splits = Mapping[str, Sequence[Example]]

# The name of the split that holds the texts of `predict_file`.
_OF_FILE = 'predict_file'


def metric_for_best(task: Task, options: TaskEvaluationOptions) -> str:
  """Returns the score that selects the best checkpoint.

  Raises:
    UserError: the task has no such score.
  """
  known = (*task.metrics, 'loss')
  name = options.metric_for_best or task.metrics[0]
  if name in known or scoring.split_class_metric(task, name):
    return name
  of_class = ', '.join(f'{metric}:LABEL' for metric in metrics.PER_CLASS)
  more = '' if task.is_regression else f', and {of_class} of a label'
  if name.partition(':')[0] in metrics.PER_CLASS and ':' in name:
    more += f'; the labels are {listed(task.labels)}'
  raise UserError(
    f'`metric_for_best`={name}: {task.name} has {", ".join(known)}{more}'
  )


def _check_defined(
  task: Task, examples: Sequence[Example], options: TaskEvaluationOptions
) -> None:
  """Checks that the score for the best checkpoint is defined on a split.

  Raises:
    UserError: the score needs a label that no example has.
  """
  name = metric_for_best(task, options)
  needed = task.labels if name == 'auc' else ()
  if of_class := scoring.split_class_metric(task, name):
    needed = (task.labels[of_class[1]],)
  if absent := set(needed) - {example.label for example in examples}:
    raise UserError(
      f'`metric_for_best`={name} is undefined: `eval_split`='
      f'{options.eval_split} has no example with the label '
      f'{listed(sorted(absent))}'
    )


def read_splits(
  task: Task,
  data_dir: str | None,
  options: TaskEvaluationOptions,
  *others: str,
) -> Splits:
  """Reads the splits that a job needs.

  It reads `eval_split`, which must have labels, if anything is evaluated,
  `predict_file` or `predict_split` if anything is predicted, and dev, which
  must have labels, to calibrate. For MNLI it also reads the mismatched split of
  the first two.

  Args:
    task: the task.
    data_dir: the folder of its data.
    options: what is evaluated and predicted.
    *others: names of further splits, which are read first.

  Raises:
    UserError: a file is missing or malformed, labels are missing, or the task
      has no score `metric_for_best`, or not on these examples, or cannot be
      calibrated.
  """
  metric_for_best(task, options)
  # A split that needs labels → the setting that asks for it.
  labelled: dict[str, str] = {}
  predicted = []
  if options.do_eval or options.eval_steps:
    names = _with_mismatched(task, data_dir, options.eval_split)
    labelled = dict.fromkeys(names, f'`eval_split`={options.eval_split}')
  if options.calibrate:
    calibration.check_task(task)
    labelled.setdefault('dev', '`calibrate`')
  if options.do_predict and not options.predict_file:
    predicted = _with_mismatched(task, data_dir, options.predict_split)
  splits = {
    name: task.read_split(data_dir, name)
    for name in dict.fromkeys([*others, *labelled, *predicted])
  }
  for name, given in labelled.items():
    if unlabelled := [e for e in splits[name] if e.label is None]:
      raise UserError(
        f'{given}: {task.locate(data_dir, name)} has no labels for '
        f'{len(unlabelled)} of {len(splits[name])} examples'
      )
  if options.eval_steps:
    _check_defined(task, splits[options.eval_split], options)
  if options.predict_file:
    splits[_OF_FILE] = text_rows.read_examples(options.predict_file, task)
  return splits


def _with_mismatched(task: Task, data_dir: str | None, split: str) -> list[str]:
  """Returns a split, and MNLI's mismatched one if its data exists."""
  other = f'{split}_mismatched'
  exists = other in task.splits and task.has_split(data_dir, other)
  return [split, other] if exists else [split]


def during_training(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  options: TaskEvaluationOptions,
) -> best_checkpoint.Evaluation | None:
  """Returns the evaluation that runs every `eval_steps`; None without it."""
  if not options.eval_steps:
    return None
  name = metric_for_best(folder.task, options)
  is_of_class = scoring.split_class_metric(folder.task, name) is not None
  return best_checkpoint.Evaluation(
    folder.make_scorer(
      model,
      splits[options.eval_split],
      options.eval_batch_size,
      class_metric=name if is_of_class else None,
    ),
    f'eval_{name}',
    options.early_stopping_patience,
    folder.describe,
  )


def identity(
  task: Task, splits: Splits, options: TaskEvaluationOptions
) -> dict[str, Any]:
  """Returns everything that decides the best checkpoint, for `run.json`.

  It is empty without evaluation during training.
  """
  if not options.eval_steps:
    return {}
  return {
    'early_stopping_patience': options.early_stopping_patience,
    'eval_data': classifier_records.checksum(splits[options.eval_split]),
    'eval_steps': options.eval_steps,
    'metric_for_best': metric_for_best(task, options),
  }


def evaluate_and_predict(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  options: TaskEvaluationOptions,
  checkpoint: Checkpoint,
  more_scores: MoreScores | None = None,
) -> dict[str, float]:
  """Does what `calibrate`, `do_eval` and `do_predict` ask for.

  Only the chief calls it: dev and test sets are small, and two machines might
  compute scores that differ in their last bits.

  Args:
    model: takes the checkpoint's weights, head included.
    folder: the task in the folder of its results.
    splits: as `read_splits`.
    options: what is evaluated and predicted.
    checkpoint: the trained weights.
    more_scores: computes further scores on a split.

  Returns:
    The scores by name; MNLI's mismatched ones are `<name>_mismatched`. Empty
    without `do_eval`.
  """
  scores = {}
  if options.calibrate:
    folder.calibrate(model, checkpoint, splits['dev'], options.eval_batch_size)
  if options.do_eval:
    for split, suffix in _present(splits, options.eval_split):
      values = folder.evaluate(
        model,
        checkpoint,
        splits[split],
        options.eval_batch_size,
        split,
        suffix,
        more_scores,
      )
      scores |= {f'{name}{suffix}': value for name, value in values.items()}
  if options.do_predict:
    predicted = _OF_FILE if options.predict_file else options.predict_split
    for split, suffix in _present(splits, predicted):
      folder.predict(
        model,
        checkpoint,
        splits[split],
        options.predict_batch_size,
        suffix,
      )
  return scores


def _present(splits: Splits, split: str) -> list[tuple[str, str]]:
  """Returns a split, and its mismatched one if read, with file suffixes."""
  mismatched = '_mismatched'
  names = [split, f'{split}{mismatched}']
  return [
    (name, mismatched if name.endswith(mismatched) else '')
    for name in names
    if name in splits
  ]
