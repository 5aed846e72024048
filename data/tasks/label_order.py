"""The order of a model's labels, in `labels.txt` or in `id2label`.

Line i of `labels.txt` names the label of logit i. Training writes the file next
to the checkpoints, a dump next to its manifest. Hugging Face's config.json has
the same in its `id2label`; a `labels.txt` in the same folder takes precedence.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from absl import logging

from data.tasks.task import Split, Task
from system import files, text_files
from system.errors import UserError, shown

FILE = 'labels.txt'
_HUGGING_FACE_FILE = 'config.json'
_CLASSIFIER = 'BertForSequenceClassification'
# The names that transformers gives to classes without names.
_UNNAMED = re.compile(r'LABEL_\d+')


def write(folder: str, labels: Sequence[str]) -> None:
  """Writes `labels.txt` into an existing folder; no file without labels."""
  if labels:
    text = ''.join(f'{label}\n' for label in labels)
    files.write_text(os.path.join(folder, FILE), text)


def read(path: str) -> tuple[str, ...]:
  """Reads labels, one per line; ignores empty lines at the end.

  Raises:
    UserError: the file is missing, a line is empty, or a label occurs twice;
      the message names the file and the line.
  """
  files.require_file(path, 'the labels, one per line')
  labels = []
  for number, label in enumerate(text_files.read_list(path), 1):
    if not is_line(label) or label in labels:
      found = 'a blank line'
      if label.strip():
        found = shown(label) + ' a second time' * (label in labels)
      raise UserError(
        f'{path}, line {number}: found {found}, expected a different label'
      )
    labels.append(label)
  return tuple(labels)


def is_line(label: str) -> bool:
  """Returns whether `labels.txt` can hold a label: one line, not blank."""
  return bool(label.strip()) and not re.search(r'[\r\n]', label)


def find(folders: Iterable[str]) -> tuple[str, tuple[str, ...]] | None:
  """Returns the labels of the first folder that names them.

  Returns:
    The path of `labels.txt` or config.json, and the labels; None if no folder
    names them. LABEL_0, LABEL_1, ... are not names.

  Raises:
    UserError: the file is malformed; the message names it.
  """
  for folder in folders:
    path = os.path.join(folder, FILE)
    if files.exists(path):
      return path, read(path)
    path = os.path.join(folder, _HUGGING_FACE_FILE)
    if labels := find_in_hugging_face(path):
      return path, labels
  return None


def find_in_hugging_face(path: str) -> tuple[str, ...]:
  """Returns the labels in a config.json; none if they are LABEL_0, LABEL_1."""
  labels = _of_hugging_face(path)
  return () if all(map(_UNNAMED.fullmatch, labels)) else labels


def _of_hugging_face(path: str) -> tuple[str, ...]:
  """Reads the labels in the order of the logits from a config.json.

  Returns:
    The values of `id2label`; LABEL_0 and LABEL_1 if a classifier lacks the key,
    as in transformers; empty if there is no such file, or no classifier.

  Raises:
    UserError: `id2label` does not give each class its own name.
  """
  values = files.read_json(path) if files.exists(path) else {}
  if not isinstance(values, dict):
    return ()
  if not (names := values.get('id2label')):
    kinds = values.get('architectures')
    is_classifier = isinstance(kinds, list) and _CLASSIFIER in kinds
    return ('LABEL_0', 'LABEL_1') if is_classifier else ()
  labels: list[Any] = []
  if isinstance(names, dict):
    labels = [names.get(str(i)) for i in range(len(names))]
  is_text = all(isinstance(x, str) and is_line(x) for x in labels)
  if not labels or not is_text or len(set(labels)) < len(labels):
    raise UserError(
      f'{path}: id2label is {str(names)[:200]}, expected a different name for '
      'each of the classes "0", "1", ...'
    )
  return tuple(labels)


def check(
  task: Task, folders: Iterable[str], is_training: bool = False
) -> None:
  """Checks that a model's labels are the task's.

  Args:
    task: the task.
    folders: the model's folders, as for `find`.
    is_training: whether the model is trained on the task; it may then come
      from a task with other labels.

  Raises:
    UserError: the model has other labels; or those of a custom task, but in
      another order than the user's.
  """
  folders = list(folders)
  if task.is_regression:
    return
  if (known := find(folders)) is None:
    if not is_training:
      _warn_of_unnamed(task, folders)
    return
  path, labels = known
  matched = _matched(task, labels)
  if matched is None and not is_training:
    raise _other_labels(task, path, labels)
  if matched in (None, task.labels):
    return
  if task.name == 'custom':
    raise UserError(
      f'the labels of {task.name} are in the order {", ".join(task.labels)}; '
      f'those of the model in {path} are {", ".join(labels)}: its logits would '
      'be misread'
    )
  logging.info(
    'The classes of the model are matched by name: %s has them in the order %s',
    path,
    ', '.join(labels),
  )


def head_rows(
  task: Task, folders: Iterable[str], is_training: bool = False
) -> tuple[int, ...] | None:
  """Returns the logit of a model that each label of a task has.

  >>> head_rows(Task('custom', ('no', 'yes'), (), {}), ['/none']) is None
  True

  Args:
    task: the task.
    folders: the model's folders, as for `find`.
    is_training: as for `check`.

  Returns:
    One number for each label. None if the model has the task's order, or does
    not name the task's labels.

  Raises:
    UserError: the model has other labels and is not trained.
  """
  if task.is_regression or (known := find(folders)) is None:
    return None
  matched = _matched(task, known[1])
  if matched is None and not is_training:
    raise _other_labels(task, *known)
  if matched in (None, task.labels):
    return None
  return tuple(map(matched.index, task.labels))


def in_order_of(
  model: Iterable[str],
  labels: Sequence[str],
  class_names: Mapping[str, str] | None = None,
) -> tuple[str, ...] | None:
  """Returns labels in the order in which a model has them; ignores case.

  >>> in_order_of(['YES', 'NO'], ['no', 'yes'])
  ('yes', 'no')

  Args:
    model: the model's labels.
    labels: the labels to order.
    class_names: other names that the model may use → labels.

  Returns:
    None if the model has other labels.
  """
  names = class_names or {}

  def fold(label: str) -> str:
    folded = label.casefold()
    return names.get(folded, folded)

  model = list(model)
  for spell in (str, fold):
    known = {spell(label): label for label in labels}
    found = tuple(known.get(spell(label)) for label in model)
    if len(found) == len(labels) and set(found) == set(labels):
      return found
  return None


def _matched(task: Task, labels: tuple[str, ...]) -> tuple[str, ...] | None:
  """Returns a task's labels in a model's order; None if it has others."""
  return in_order_of(labels, task.labels, task.class_names)


def _warn_of_unnamed(task: Task, folders: Iterable[str]) -> None:
  for folder in folders:
    path = os.path.join(folder, _HUGGING_FACE_FILE)
    if labels := _of_hugging_face(path):
      logging.warning(
        '%s calls its classes %s, which says nothing: they are taken to be %s, '
        'in this order. If they are not, write the right order into %s.',
        path,
        ', '.join(labels[:3]),
        ', '.join(task.labels),
        os.path.join(folder, FILE),
      )
      return


def _other_labels(task: Task, path: str, labels: tuple[str, ...]) -> UserError:
  where = os.path.join(os.path.dirname(path), FILE)
  return UserError(
    f'{path} has the labels {", ".join(labels)}, {task.name} has '
    f'{", ".join(task.labels)}: the model was trained on another task. If its '
    'classes only have other names, write the labels of the task into '
    f'{where}, one per line, in the order of the logits.'
  )


def labels_in(train: Split, data_dir: str | None) -> tuple[str, ...]:
  """Finds the labels of a training split.

  Returns:
    The labels in the order that the data declares; otherwise sorted, by value
    if all are integers.

  Raises:
    UserError: the split is missing or malformed, a label is blank or not one
      line, or all labels are equal.
  """
  location = train.locate(data_dir)
  if (declared := train.declared_labels(data_dir)) is not None:
    return declared
  labels = set()
  for where, example in train.read(data_dir):
    if not is_line(example.label or ''):
      raise UserError(
        f'{where}: found the label {shown(example.label)}, expected one line '
        'of text'
      )
    labels.add(example.label)
  if len(labels) < 2:
    raise UserError(
      f'{location} has one label, {shown(labels.pop())}; expected two or '
      'more, or `regression`'
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
