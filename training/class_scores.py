"""Scores of single classes, and the confusion matrix, with their files.

eval_classes.tsv    a header, then one line per label: precision, recall, F1,
                    `support` (its examples) and `predicted` (its predictions)
eval_confusion.tsv  a header, then one line per true label: how many of its
                    examples were predicted as each label

Labels are escaped as in predictions.tsv. An undefined value, 0 / 0, is nan: the
recall of a label without examples, the precision of one that was never
predicted, and F1 if both hold.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from system import files
from system.errors import UserError, listed
from training import result_files
from training.metrics import PER_CLASS

# A matrix of this many labels has a million numbers.
_MAX_LABELS = 1000


class ClassScores(NamedTuple):
  """Arrays [C], one value per class; undefined values are NaN."""

  precision: np.ndarray
  recall: np.ndarray
  f1: np.ndarray
  support: np.ndarray
  predicted: np.ndarray


class Confusion(NamedTuple):
  """A confusion matrix.

  Attributes:
    labels: C labels.
    counts: int [C, C]: examples with a true label (row) that were predicted as
      a label (column).
  """

  labels: Sequence[str]
  counts: np.ndarray


def compute(labels, predictions, num_classes: int) -> ClassScores:
  """Computes the scores of each class.

  Args:
    labels: int [N], the true label ids.
    predictions: int [N].
    num_classes: C.
  """
  from sklearn import metrics

  precision, recall, f1, support = metrics.precision_recall_fscore_support(
    labels, predictions, labels=np.arange(num_classes), zero_division=np.nan
  )
  predicted = np.bincount(predictions, minlength=num_classes)
  return ClassScores(precision, recall, f1, support, predicted)


def _confuse(labels: Sequence[str], truth, predictions) -> Confusion:
  """Counts pairs of true and predicted label ids.

  Args:
    labels: C labels.
    truth: int [N], the true label ids.
    predictions: int [N].
  """
  from sklearn import metrics

  ids = np.arange(len(labels))
  counts = metrics.confusion_matrix(truth, predictions, labels=ids)
  return Confusion(tuple(labels), counts)


def _warn_of_absent(labels: Sequence[str], support: np.ndarray) -> None:
  """Warns of labels that no example has."""
  absent = [x for x, n in zip(labels, support, strict=True) if not n]
  if absent:
    logging.warning(
      'No example of the split has the label%s %s: recall is undefined there. '
      'Macro scores are means over the labels that occur among the examples '
      'or the predictions%s.',
      's' * (len(absent) > 1),
      listed(absent),
      ', and auc is undefined' if len(labels) == 2 else '',
    )


def write(
  output_dir: str, labels: Sequence[str], truth, predictions, suffix: str = ''
) -> None:
  """Writes `eval_classes.tsv` and `eval_confusion.tsv`.

  More than 1,000 labels get no confusion matrix; an earlier one is removed.

  Args:
    output_dir: the folder.
    labels: C labels.
    truth: int [N], the true label ids.
    predictions: int [N].
    suffix: of the files' names: '' or '_mismatched'.
  """
  scores = compute(truth, predictions, len(labels))
  _warn_of_absent(labels, scores.support)
  columns = [values.tolist() for values in scores]
  rows = [
    [label, *map(repr, values)]
    for label, *values in zip(labels, *columns, strict=True)
  ]
  path = os.path.join(output_dir, f'eval_classes{suffix}.tsv')
  result_files.write_table(path, [['label', *ClassScores._fields], *rows])
  path = os.path.join(output_dir, f'eval_confusion{suffix}.tsv')
  if len(labels) <= _MAX_LABELS:
    _write_confusion(path, _confuse(labels, truth, predictions))
    return
  logging.info('No confusion matrix: it would be of %d labels', len(labels))
  if files.exists(path):
    files.remove(path)


def read_score(path: str, name: str) -> float:
  """Reads the score of one label from an `eval_classes.tsv`.

  Args:
    path: the file.
    name: a score and a label, such as 'f1:spam'.

  Returns:
    The score; NaN if it is undefined.

  Raises:
    UserError: the file is missing, or has no such score.
  """
  metric, _, label = name.partition(':')
  header, *rows = result_files.read_table(path)
  found = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
  try:
    return float(found[label][metric])
  except (KeyError, ValueError):
    raise UserError(
      f'{path} has no {name}: expected {listed(PER_CLASS)}, and one of the '
      f'labels {listed(found)}'
    ) from None


def _write_confusion(path: str, confusion: Confusion) -> None:
  header = ['true_label', *(f'predicted_{x}' for x in confusion.labels)]
  rows = [
    [label, *map(str, counts)]
    for label, counts in zip(
      confusion.labels, confusion.counts.tolist(), strict=True
    )
  ]
  result_files.write_table(path, [header, *rows])


def read_confusion(path: str) -> Confusion:
  """Reads an `eval_confusion.tsv`.

  Raises:
    UserError: the file is missing, or is not a confusion matrix.
  """
  header, *rows = result_files.read_table(path)
  labels = tuple(row[0] for row in rows)
  if header != ['true_label', *(f'predicted_{label}' for label in labels)]:
    raise UserError(
      f'{path}: expected the header true_label, predicted_<label>, ... with '
      f'the labels of the rows, got {listed(header)}'
    )
  try:
    counts = [[int(count) for count in row[1:]] for row in rows]
  except ValueError as error:
    raise UserError(f'{path}: expected counts: {error}') from None
  return Confusion(labels, np.array(counts, int))
