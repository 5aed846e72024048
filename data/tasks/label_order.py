"""Which column of the logits is which label: `labels.txt`, a label a line.

Training writes it beside the checkpoints, and a dump beside its manifest.
"""

import os
from collections.abc import Iterable

from absl import logging

from data.tasks.task import Split, Task
from system import files, text_files
from system.errors import UserError

_FILE = 'labels.txt'


def write(folder: str, task: Task) -> None:
  """Writes `labels.txt` into an existing folder; nothing for regression."""
  if task.labels:
    text = ''.join(f'{label}\n' for label in task.labels)
    files.write_text(os.path.join(folder, _FILE), text)


def read(path: str) -> tuple[str, ...]:
  """Reads labels, one a line.

  Raises:
    UserError: the file is missing, a line is blank, or a label is there twice;
      file and line are named.
  """
  files.require_file(path, 'the labels, one a line')
  labels: list[str] = []
  for number, label in enumerate(text_files.read_lines(path), 1):
    if not label or label in labels:
      found = f'{label!r} a second time' if label else 'a blank line'
      raise UserError(
        f'{path}, line {number}: found {found}, expected another label'
      )
    labels.append(label)
  return tuple(labels)


def find(folders: Iterable[str]) -> tuple[str, tuple[str, ...]] | None:
  """Returns the first `labels.txt` in these folders, and what it says."""
  for folder in folders:
    path = os.path.join(folder, _FILE)
    if files.exists(path):
      return path, read(path)
  return None


def check(task: Task, folders: Iterable[str]) -> None:
  """Checks that a model's columns are in the task's order.

  Args:
    task: the task.
    folders: of the model, as for `find`.

  Raises:
    UserError: the model has the task's labels, but in another order.
  """
  if (known := find(folders)) is None:
    return
  path, labels = known
  if labels != task.labels and sorted(labels) == sorted(task.labels):
    raise UserError(
      f'the labels of {task.name} are in the order {", ".join(task.labels)}; '
      f'those of the model in {path} are {", ".join(labels)}: their columns '
      'would be confused'
    )


def labels_in(train: Split, data_dir: str | None) -> tuple[str, ...]:
  """Finds the labels of a training split.

  Returns:
    In the order that the data declares; otherwise sorted, by their value where
    all are integers.

  Raises:
    UserError: the split is missing or malformed, a label is empty or longer
      than a line, or there are no two different ones.
  """
  place = train.place(data_dir)
  if (declared := train.declared_labels(data_dir)) is not None:
    return declared
  labels = set()
  for where, example in train.read(data_dir):
    if not example.label or '\n' in example.label:
      raise UserError(
        f'{where}: found the label {example.label!r}, expected a word or a line'
      )
    labels.add(example.label)
  if len(labels) < 2:
    raise UserError(
      f'{place} has one label, {labels.pop()!r}; expected two or more, or '
      '--regression'
    )
  found = tuple(sorted(labels, key=_by_value(labels)))
  logging.info(
    '%d labels, found in %s: %s', len(found), place, ', '.join(found[:20])
  )
  return found


def _by_value(labels: set[str]):
  try:
    numbers = {label: int(label) for label in labels}
  except ValueError:
    return None
  # '1' and '01' are of one value: then their spelling decides.
  return lambda label: (numbers[label], label)
