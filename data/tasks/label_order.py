"""The order of a model's labels, in `labels.txt`: one label per line.

Line i names the label of logit i. Training writes the file beside the
checkpoints, a dump beside its manifest.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from absl import logging

from data.tasks.task import Split, Task
from system import files, text_files
from system.errors import UserError

_FILE = 'labels.txt'


def write(folder: str, task: Task) -> None:
  """Writes `labels.txt` into an existing folder; no file for regression."""
  if task.labels:
    text = ''.join(f'{label}\n' for label in task.labels)
    files.write_text(os.path.join(folder, _FILE), text)


def read(path: str) -> tuple[str, ...]:
  """Reads labels, one per line.

  Raises:
    UserError: the file is missing, a line is blank, or a label occurs twice;
      the message names the file and the line.
  """
  files.require_file(path, 'the labels, one per line')
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
  """Returns the first `labels.txt` in some folders: its path and labels."""
  for folder in folders:
    path = os.path.join(folder, _FILE)
    if files.exists(path):
      return path, read(path)
  return None


def check(task: Task, folders: Iterable[str]) -> None:
  """Checks that a model's labels are in the task's order.

  Args:
    task: the task.
    folders: the model's folders, as for `find`.

  Raises:
    UserError: the model has the task's labels, but in another order.
  """
  if (known := find(folders)) is None:
    return
  path, labels = known
  if labels != task.labels and sorted(labels) == sorted(task.labels):
    raise UserError(
      f'the labels of {task.name} are in the order {", ".join(task.labels)}; '
      f'those of the model in {path} are {", ".join(labels)}: its logits would '
      'be misread'
    )


def labels_in(train: Split, data_dir: str | None) -> tuple[str, ...]:
  """Finds the labels of a training split.

  Returns:
    The labels in the order that the data declares; otherwise sorted, by value
    if all are integers.

  Raises:
    UserError: the split is missing or malformed, a label is empty or has
      several lines, or all labels are equal.
  """
  location = train.locate(data_dir)
  if (declared := train.declared_labels(data_dir)) is not None:
    return declared
  labels = set()
  for where, example in train.read(data_dir):
    if not example.label or '\n' in example.label:
      raise UserError(
        f'{where}: found the label {example.label!r}, expected one line of text'
      )
    labels.add(example.label)
  if len(labels) < 2:
    raise UserError(
      f'{location} has one label, {labels.pop()!r}; expected two or more, or '
      '`regression`'
    )
  found = tuple(sorted(labels, key=_by_value(labels)))
  logging.info(
    '%d labels, found in %s: %s', len(found), location, ', '.join(found[:20])
  )
  return found


def _by_value(labels: set[str]) -> Callable[[str], Any] | None:
  """Returns the sort key of integers; None, for strings, if not all are."""
  try:
    numbers = {label: int(label) for label in labels}
  except ValueError:
    return None
  # '1' and '01' have the same value: then their spelling decides.
  return lambda label: (numbers[label], label)
