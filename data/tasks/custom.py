"""Custom tasks: the user's own columns, and labels or numbers to predict.

Tested by `tests/data/tasks/tables_test.py`.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from absl import logging

from data.tasks import label_order, tables
from data.tasks.examples import Fields
from data.tasks.file_splits import FileSplit, Layout
from data.tasks.task import Split, Task
from system import text_files
from system.errors import UserError, listed, shown


def in_files(
  fields: Fields | None = None, file_format: str | None = None
) -> dict[str, FileSplit]:
  """Returns the splits `train`, `dev` and `test` in the user's own files.

  Args:
    fields: the columns, `sentence` and `label` by default; test may lack the
      label.
    file_format: one of `tables.FORMATS`, which is also the files' ending; None
      allows all. '.gz' may follow the ending of text files.
  """
  formats = (file_format,) if file_format else tables.FORMATS
  fields = fields or Fields()
  unlabelled = dataclasses.replace(fields, has_optional_label=True)
  return {
    split: FileSplit(
      'custom',
      tuple(
        Layout(
          f'{split}.{ending}{gz}',
          unlabelled if split == 'test' else fields,
          ending,
        )
        for ending in formats
        for gz in ('', '.gz')[: 1 if ending == 'parquet' else 2]
      ),
      is_unique=True,
    )
    for split in ('train', 'dev', 'test')
  }


def classification(
  labels: tuple[str, ...],
  splits: Mapping[str, Split] | None = None,
  ignores_case: bool = False,
) -> Task:
  """Returns a custom task with labels, scored by accuracy first.

  Args:
    labels: the labels of the data, in the order of the logits.
    splits: the data; `in_files()` by default.
    ignores_case: as for `Task`.

  Raises:
    UserError: there are fewer than two labels, or duplicates; or one is blank
      or not one line.
  """
  if wrong := [label for label in labels if not label_order.is_line(label)]:
    raise UserError(
      f'the labels are {listed(labels)}: found {shown(wrong[0])}, '
      'expected one line of text each, not blank'
    )
  if len(labels) < 2 or len(set(labels)) < len(labels):
    raise UserError(
      f'expected two or more different labels, got {listed(labels)}'
    )
  text_files.check_encodable(labels, 'the labels')
  warn_of_similar(labels)
  return Task(
    'custom',
    labels,
    _metrics(len(labels)),
    splits or in_files(),
    ignores_case=ignores_case,
  )


def _metrics(num_labels: int) -> tuple[str, ...]:
  """Returns the scores of a classifier; those of two labels have more."""
  positive = ('auc', 'f1', 'precision', 'recall') if num_labels == 2 else ()
  macro = ('macro_f1', 'macro_precision', 'macro_recall')
  return ('accuracy', *macro, 'matthews_correlation', *positive)


def warn_of_similar(labels: Iterable[str]) -> None:
  """Logs the sentences of `similar`."""
  for sentence in similar(labels):
    logging.warning('%s', sentence)


def similar(labels: Iterable[str]) -> list[str]:
  """Returns sentences on labels that differ only in white space or case."""
  first: dict[str, str] = {}
  sentences = []
  for label in labels:
    other = first.setdefault(label.strip().casefold(), label)
    if other != label:
      sentences.append(
        f'The labels {shown(other)} and {shown(label)} are two classes, '
        'although they differ only in white space or case.'
      )
  return sentences


def regression(splits: Mapping[str, Split]) -> Task:
  """Returns a custom task that predicts numbers, scored by correlations."""
  metrics = ('pearson', 'spearman', 'mean_absolute_error')
  return Task('custom', (), metrics, splits)
