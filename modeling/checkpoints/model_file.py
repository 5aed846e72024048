"""model.json: what belongs to a model's weights, in one file next to them.

It records what released BERT's files lack: the task, the labels in the order of
the logits, the casing, the maximum input length, and a checksum of each file of
the model. With it, a copied folder is still the same model:

  {"task": {"name": "custom", "labels": ["bad", "good"], "is_pair": false},
   "do_lower_case": true,
   "max_seq_length": 64,
   "temperature": 1.3,
   "files": {"bert_config.json": "<SHA-256>", "model.ckpt-9.index": ...}}

Each key may be missing. The file is written last, so all files that it lists
exist.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

from absl import logging

from modeling.checkpoints import tokenizer_files
from system import files, text_files
from system.errors import Unavailable, UserError, shown

FILE = 'model.json'
_LABELS_FILE = 'labels.txt'


@dataclasses.dataclass(frozen=True)
class TaskRecord:
  """The task of a classifier or regressor.

  Attributes:
    name: as `--task_name`.
    labels: in the order of the logits; empty if the model predicts a number.
    is_pair: whether an input is two texts.
  """

  name: str
  labels: tuple[str, ...]
  is_pair: bool


@dataclasses.dataclass(frozen=True)
class ModelFile:
  """The content of a model.json.

  Attributes:
    task: None if the model has no head for a task.
    do_lower_case: whether its text was lower-cased; None if unknown.
    max_seq_length: the maximum input length in tokens; None if unknown.
    temperature: logits are divided by it before the softmax; None for 1.
    checksums: SHA-256 in hexadecimal of the model's files, by name.
  """

  task: TaskRecord | None = None
  do_lower_case: bool | None = None
  max_seq_length: int | None = None
  temperature: float | None = None
  checksums: Mapping[str, str] = dataclasses.field(default_factory=dict)


UNKNOWN = ModelFile()


def write(
  folder: str,
  content: ModelFile,
  names: Iterable[str],
  kept: Iterable[str] = (),
) -> None:
  """Writes model.json, with the checksums of some files.

  Args:
    folder: the model's.
    content: what to record; its own checksums are replaced.
    names: the files next to model.json that belong to the model; those that do
      not exist are left out.
    kept: further files, whose checksums in the present model.json stay.
  """
  path = os.path.join(folder, FILE)
  before = _checksums(path)
  checksums = {name: before[name] for name in kept if name in before}
  for name in names:
    if files.exists(other := os.path.join(folder, name)):
      checksums[name] = files.sha256(other)
  values = {
    'task': content.task and dataclasses.asdict(content.task),
    'do_lower_case': content.do_lower_case,
    'max_seq_length': content.max_seq_length,
    'temperature': content.temperature,
    'files': dict(sorted(checksums.items())),
  }
  known = {key: value for key, value in values.items() if value is not None}
  files.write_json(path, known)


def _checksums(path: str) -> Mapping[str, str]:
  """Returns the checksums in a model.json that is to be written again."""
  if not files.exists(path):
    return {}
  try:
    return _parse(path).checksums
  except Unavailable:
    raise
  except UserError as error:
    logging.warning('Writing the file again: %s', error)
    return {}


def write_temperature(folder: str, temperature: float) -> None:
  """Records the temperature in an existing model.json.

  Raises:
    UserError: the folder has no model.json.
  """
  path = files.require_file(
    os.path.join(folder, FILE), 'the model to calibrate'
  )
  _parse(path)
  files.write_json(path, {**files.read_json(path), 'temperature': temperature})


def read(folder: str) -> ModelFile | None:
  """Reads a folder's model.json; None if it has none.

  Raises:
    UserError: the file is malformed, or a file next to it records other labels
      or another casing.
  """
  path = os.path.join(folder, FILE)
  if not files.exists(path):
    return None
  content = _parse(path)
  _check_labels(folder, content)
  casing = tokenizer_files.lower_case(folder)
  ours = content.do_lower_case
  if casing and ours is not None and casing[1] != ours:
    raise UserError(
      f'{path} says do_lower_case {ours}, {casing[0]} says {casing[1]}'
    )
  return content


def check_files(folder: str, content: ModelFile, names: Iterable[str]) -> None:
  """Checks that files are those that a model.json records.

  Args:
    folder: the model's.
    content: of its model.json.
    names: those that are missing, or not recorded, are not checked.

  Raises:
    UserError: a file has another checksum; the message names it.
  """
  for name in names:
    path = os.path.join(folder, name)
    expected = content.checksums.get(name)
    if expected and files.exists(path) and files.sha256(path) != expected:
      raise UserError(
        f'{path} is damaged or belongs to another model: {FILE} records '
        'another checksum. Restore the file, or remove its line under "files" '
        f'in {os.path.join(folder, FILE)} if the change is intended.'
      )


def _check_labels(folder: str, content: ModelFile) -> None:
  path = os.path.join(folder, _LABELS_FILE)
  if content.task and content.task.labels and files.exists(path):
    found = tuple(text_files.read_list(path))
    if found != content.task.labels:
      raise UserError(
        f'{path} has the labels {_some(found)}, '
        f'{os.path.join(folder, FILE)} has {_some(content.task.labels)}'
      )


def _some(labels: tuple[str, ...]) -> str:
  return shown(', '.join(labels))


def _parse(path: str) -> ModelFile:
  values = files.read_object(path)
  task = _value(path, values, 'task', dict)
  checksums = _value(path, values, 'files', dict) or {}
  for name, value in checksums.items():
    _value(path, checksums, name, str)
    if '/' in name or not value:
      raise UserError(f'{path}: files has {shown(name)}, expected a file name')
  number = _value(path, values, 'temperature', (int, float))
  if number is not None and not number > 0:
    raise UserError(f'{path}: temperature is {number}, expected one above 0')
  length = _value(path, values, 'max_seq_length', int)
  if length is not None and length < 1:
    raise UserError(f'{path}: max_seq_length is {length}, expected 1 or more')
  return ModelFile(
    _task(path, task) if task else None,
    _value(path, values, 'do_lower_case', bool),
    length,
    number,
    checksums,
  )


def _task(path: str, values: dict[str, Any]) -> TaskRecord:
  labels = _value(path, values, 'labels', list) or []
  if not all(isinstance(label, str) and label for label in labels):
    raise UserError(f'{path}: labels is {shown(labels)}, expected texts')
  if len(set(labels)) < len(labels) or len(labels) == 1:
    raise UserError(
      f'{path}: labels is {shown(labels)}, expected different ones, or none'
    )
  return TaskRecord(
    _value(path, values, 'name', str) or '',
    tuple(labels),
    bool(_value(path, values, 'is_pair', bool)),
  )


def _value(path: str, values: dict[str, Any], key: str, kind: Any) -> Any:
  """Returns a value; None if it is missing or null.

  Raises:
    UserError: it is of another type. A truth value is not a number.
  """
  value = values.get(key)
  is_wrong_bool = isinstance(value, bool) and kind is not bool
  if value is not None and (is_wrong_bool or not isinstance(value, kind)):
    kinds = kind if isinstance(kind, tuple) else (kind,)
    names = ' or '.join(_KINDS[each] for each in kinds)
    raise UserError(f'{path}: {key} is {shown(value)}, expected {names}')
  return value


_KINDS = {
  bool: 'true or false',
  int: 'a whole number',
  float: 'a number',
  str: 'a text',
  list: 'a list',
  dict: 'an object',
}
