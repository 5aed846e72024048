"""export.json, which `tools.export_model` writes next to an exported model.

Tested by `tests/serving/runtimes_test.py`.
"""

import dataclasses
import os
from typing import Any

from modeling.checkpoints.model_file import ModelFile, TaskRecord
from system import files
from system.errors import UserError, shown

FILE = 'export.json'


@dataclasses.dataclass(frozen=True)
class ExportRecord:
  """What export.json records for the use of a model.

  Attributes:
    takes_pairs: whether an input is two texts; None if unknown.
    max_seq_length: the maximum input length in tokens; None if unknown.
    temperature: divides the logits of labels before the softmax.
    labels: in the order of the logits; empty for a regressor; None if unknown.
  """

  takes_pairs: bool | None = None
  max_seq_length: int | None = None
  temperature: float = 1.0
  labels: tuple[str, ...] | None = None


def read(folder: str) -> ExportRecord:
  """Reads a folder's export.json; one that is missing records nothing.

  Raises:
    UserError: the file is malformed.
  """
  path = os.path.join(folder, FILE)
  if not files.exists(path):
    return ExportRecord()
  values = files.read_object(path)
  pairs = values.get('takes_pairs')
  length = values.get('max_seq_length')
  temperature = values.get('temperature', 1.0)
  labels = values.get('labels')
  for name, value, is_right in (
    ('takes_pairs', pairs, pairs is None or isinstance(pairs, bool)),
    ('max_seq_length', length, length is None or is_positive(length, int)),
    ('temperature', temperature, is_positive(temperature, (int, float))),
    ('labels', labels, labels is None or _are_labels(labels)),
  ):
    if not is_right:
      raise UserError(f'{path}: {name} is {shown(value)}')
  labels = None if labels is None else tuple(labels)
  return ExportRecord(pairs, length, float(temperature), labels)


def as_model_file(folder: str) -> ModelFile:
  """Returns the content of a folder's export.json in the form of model.json.

  export.json does not name the task, so the task is 'custom'. The result is
  empty for an encoder: it has no labels, and its maximum input length follows
  from its number of positions.

  Raises:
    UserError: the file is malformed.
  """
  found = read(folder)
  if found.takes_pairs is None and found.labels is None:
    return ModelFile()
  task = None
  if found.takes_pairs is not None and found.labels is not None:
    task = TaskRecord('custom', found.labels, found.takes_pairs)
  return ModelFile(
    task,
    max_seq_length=found.max_seq_length,
    temperature=None if found.temperature == 1 else found.temperature,
  )


def is_positive(value: Any, kind: Any) -> bool:
  """Returns whether a JSON value is a number of a kind, above 0."""
  is_number = isinstance(value, kind) and not isinstance(value, bool)
  return is_number and value > 0


def _are_labels(value: Any) -> bool:
  """Returns whether a value lists several different names, or none."""
  if not isinstance(value, list) or len(value) == 1:
    return False
  are_names = all(isinstance(x, str) and x for x in value)
  return are_names and len(set(value)) == len(value)
