"""Writes an imported model, and reports on it, for the tools that import one.

Tested by `tests/tools/import_hugging_face_test.py`.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from modeling.checkpoints import export_file, model_file, recorded_casing
from modeling.checkpoints.file_names import CONFIG, DATA, INDEX, VOCAB
from modeling.checkpoints.model_file import ModelFile
from modeling.checkpoints.released_names import HEAD_BIAS, is_encoder
from modeling.configs import BertConfig
from system import files
from system.errors import UserError, shown

if TYPE_CHECKING:
  import numpy as np


class ImportedModel(NamedTuple):
  """A model of another program, read and checked.

  Attributes:
    folder: its folder.
    weights: by their names in released BERT.
    config: its configuration.
    tokens: the lines of its vocabulary.
    casing: the file that records the casing, and do_lower_case; None if
      unknown.
    longest_input: a classifier's maximum input length, in tokens; None if
      unknown.
  """

  folder: str
  weights: 'Mapping[str, np.ndarray]'
  config: BertConfig
  tokens: Iterable[str]
  casing: tuple[str, bool] | None
  longest_input: int | None


def write(model: ImportedModel, output_dir: str) -> tuple[str, list[str]]:
  """Writes a model's weights, and next to them what its folder says of it.

  Args:
    model: the model.
    output_dir: the folder to write to, created if missing. What an earlier
      import wrote is replaced.

  Returns:
    The checkpoint's prefix, and the last lines of a report.

  Raises:
    UserError: the folder names another number of classes than the weights have,
      or its export.json is malformed, or has other labels.
  """
  from modeling.checkpoints import exporting

  labels = _read_labels(model)
  content = _recorded(model, labels)
  files.make_folder(output_dir)
  described = _describe(model, output_dir, labels, content)
  prefix = exporting.write_folder(
    output_dir, model.weights, model.config, model.tokens
  )
  if content != model_file.UNKNOWN:
    folder, name = os.path.split(prefix)
    names = [CONFIG, VOCAB, name + INDEX, name + DATA]
    model_file.write(folder, content, names)
  return prefix, [
    *report_line('labels', labels),
    *_unnamed(model, labels),
    *described,
    *([f'use --do_lower_case={model.casing[1]}'] if model.casing else []),
  ]


def report_line(title: str, names: Sequence[str]) -> list[str]:
  """Returns the line of a report that lists names; none if there are none."""
  return [f'{title} ({len(names)}): {", ".join(names)}'] if names else []


def heads(weights: 'Mapping[str, np.ndarray]') -> list[str]:
  """Returns the line of a report that lists the weights of heads."""
  names = sorted(name for name in weights if not is_encoder(name))
  return report_line('heads', names)


def _read_labels(model: ImportedModel) -> tuple[str, ...]:
  """Returns the names of a classifier's classes; none if they are unknown."""
  from data.tasks import label_order

  found = label_order.find([model.folder]) if HEAD_BIAS in model.weights else ()
  if not found:
    return ()
  path, names = found
  if len(names) != (count := len(model.weights[HEAD_BIAS])):
    raise UserError(
      f'{path} names {len(names)} classes, the weights have {count}'
    )
  return names


def _recorded(model: ImportedModel, labels: tuple[str, ...]) -> ModelFile:
  """Returns what export.json records of a model, for model.json."""
  content = export_file.as_model_file(model.folder)
  if content == model_file.UNKNOWN:
    return content
  if labels and content.task and labels != content.task.labels:
    raise UserError(
      f'{os.path.join(model.folder, export_file.FILE)} has the labels '
      f'{shown(", ".join(content.task.labels))}, but other files of the folder '
      f'have {shown(", ".join(labels))}'
    )
  if model.casing:
    content = dataclasses.replace(content, do_lower_case=model.casing[1])
  return content


def _describe(
  model: ImportedModel,
  output_dir: str,
  labels: tuple[str, ...],
  content: ModelFile,
) -> list[str]:
  """Writes what belongs to the weights, before them.

  Returns:
    A line for the report if there is a model.json.
  """
  from data.tasks import label_order

  for name in (model_file.FILE, label_order.FILE, recorded_casing.FILE):
    if files.exists(path := os.path.join(output_dir, name)):
      files.remove(path)
  label_order.write(output_dir, labels)
  casing = model.casing and model.casing[1]
  recorded_casing.write(output_dir, casing, model.longest_input)
  if content == model_file.UNKNOWN:
    return []
  model_file.write(output_dir, content, ())
  return [f'export.json → {model_file.FILE}']


def _unnamed(model: ImportedModel, labels: tuple[str, ...]) -> list[str]:
  """Returns the line of a report that says that classes have no names."""
  if labels or len(model.weights.get(HEAD_BIAS, ())) < 2:
    return []
  return [
    'the classes have no names: write labels.txt next to the checkpoint, one '
    'label per line, in the order of the logits'
  ]
