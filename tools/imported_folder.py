"""What the tools that import a model share, and write beside its weights.

Tested by `tests/tools/import_hugging_face_test.py`.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modeling.checkpoints import model_file, recorded_casing
from modeling.checkpoints.bundle_files import CONFIG, DATA, INDEX, VOCAB
from modeling.checkpoints.model_file import ModelFile
from modeling.checkpoints.released_names import HEAD_BIAS
from system import files
from system.errors import UserError, shown

if TYPE_CHECKING:
  import numpy as np


def read_labels(
  folder: str, weights: 'Mapping[str, np.ndarray]'
) -> tuple[str, ...]:
  """Returns the names of a classifier's classes; none if they are unknown.

  Args:
    folder: the folder of the imported model, which names them as
      `label_order.find` says.
    weights: the model's, by their names in released BERT.

  Raises:
    UserError: the folder names another number of classes than the weights have.
  """
  from data.tasks import label_order

  if HEAD_BIAS not in weights or not (found := label_order.find([folder])):
    return ()
  path, names = found
  if len(names) != (count := len(weights[HEAD_BIAS])):
    raise UserError(
      f'{path} names {len(names)} classes, the weights have {count}'
    )
  return names


def unnamed(
  weights: 'Mapping[str, np.ndarray]', labels: tuple[str, ...]
) -> list[str]:
  """Returns the line of a report that says that classes have no names."""
  if labels or len(weights.get(HEAD_BIAS, ())) < 2:
    return []
  return [
    'the classes have no names: write labels.txt beside the checkpoint, one '
    'label a line, in the order of the logits'
  ]


def report_line(title: str, names: Sequence[str]) -> list[str]:
  """Returns the line of a report that lists names; none if there are none."""
  return [f'{title} ({len(names)}): {", ".join(names)}'] if names else []


def recorded(
  input_dir: str, labels: tuple[str, ...], casing: tuple[str, bool] | None
) -> ModelFile:
  """Returns what export.json records of a model, for model.json.

  Args:
    input_dir: the folder of the imported model.
    labels: the names of its classes; empty if they are unknown.
    casing: the file that records the casing, and do_lower_case; None if
      unknown.

  Raises:
    UserError: export.json is malformed, or has other labels.
  """
  from serving import export_record

  content = export_record.as_model_file(input_dir)
  if content == model_file.UNKNOWN:
    return content
  if labels and content.task and labels != content.task.labels:
    raise UserError(
      f'{os.path.join(input_dir, export_record.FILE)} has the labels '
      f'{shown(", ".join(content.task.labels))}, but other files of the folder '
      f'have {shown(", ".join(labels))}'
    )
  if casing:
    content = dataclasses.replace(content, do_lower_case=casing[1])
  return content


def describe(
  output_dir: str,
  labels: tuple[str, ...],
  casing: tuple[str, bool] | None,
  content: ModelFile,
  longest_input: int | None = None,
) -> list[str]:
  """Writes what belongs to the weights, before them.

  What an earlier import wrote is removed.

  Args:
    output_dir: the folder to write to.
    labels: as for `recorded`.
    casing: as for `recorded`.
    content: from `recorded`.
    longest_input: of a classifier, in tokens; None if unknown.

  Returns:
    A line for the report if there is a model.json.
  """
  from data.tasks import label_order

  for name in (model_file.FILE, label_order.FILE, recorded_casing.FILE):
    if files.exists(path := os.path.join(output_dir, name)):
      files.remove(path)
  label_order.write(output_dir, labels)
  recorded_casing.write(output_dir, casing and casing[1], longest_input)
  if content == model_file.UNKNOWN:
    return []
  model_file.write(output_dir, content, ())
  return [f'export.json → {model_file.FILE}']


def complete(prefix: str, content: ModelFile) -> None:
  """Adds the checksums of the files to model.json, after the weights.

  Args:
    prefix: of the checkpoint that was written.
    content: as for `describe`.
  """
  if content == model_file.UNKNOWN:
    return
  folder, name = os.path.split(prefix)
  names = [CONFIG, VOCAB, name + INDEX, name + DATA]
  model_file.write(folder, content, names)
