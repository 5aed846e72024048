"""What the files of an export say of its model, without TensorFlow.

config.json and tokenizer_config.json are those of Hugging Face, which other
programs write, too. Only `tools.export_model` writes export.json.

Tested by `tests/serving/runtimes_test.py`.
"""

import os
from collections.abc import Mapping, Sequence

from data.tasks import label_order
from modeling.checkpoints import (
  export_file,
  hugging_face_reader,
  tokenizer_files,
)
from system import files
from system.errors import UserError

# Positions of released BERT.
_MAX_SEQ_LENGTH = 512


def find_model(
  folder: str,
  models: Mapping[str, str],
  kind: str,
  title: str,
  export_format: str,
  beside: Sequence[str] = (),
) -> str:
  """Returns the path of an export's model.

  Args:
    folder: the export's.
    models: kind → the model's file in it; float32 is always there, and the
      other kinds are named as in the exporter's `quantize`.
    kind: one of these.
    title: what the folder should be, for the message.
    export_format: the `format` of the exporter that writes it.
    beside: further files that the model needs.

  Raises:
    UserError: a file is missing.
  """
  path = os.path.join(folder, models[kind])
  for each in (path, *(os.path.join(folder, x) for x in beside)):
    if not files.exists(each):
      is_variant = each == path and kind != 'float32'
      advice = f', with `--quantize={kind}`' if is_variant else ''
      raise UserError(
        f'{folder} is no {title}: {each} is missing. '
        f'`python -m tools.export_model --format={export_format}` writes it'
        f'{advice}'
      )
  return path


def labels(folder: str, num_outputs: int) -> tuple[str, ...]:
  """Returns the labels of an export's model; none if it is a regressor.

  They are those of export.json, else those of config.json, in which LABEL_0,
  LABEL_1, ... are not names.

  Args:
    folder: the export's.
    num_outputs: C, the number of the model's logits.

  Raises:
    UserError: the labels are unknown, or they are not C.
  """
  if num_outputs == 1:
    return ()
  path = os.path.join(folder, export_file.FILE)
  found = export_file.read(folder).labels
  if found is None:
    path = os.path.join(folder, hugging_face_reader.CONFIG_FILE)
    found = label_order.find_in_hugging_face(path)
    if not found:
      raise UserError(
        f'{path} does not name the {num_outputs} labels of the model (id2label)'
      )
  if len(found) != num_outputs:
    raise UserError(
      f'the model has {num_outputs} outputs, but {path} names {len(found)} '
      'labels'
    )
  return found


def longest_input(folder: str) -> int:
  """Returns the maximum input length in tokens that a folder's files allow.

  It is that of export.json, else that of the tokenizer, else the number of the
  model's positions.

  Raises:
    UserError: a file is malformed.
  """
  if recorded := export_file.read(folder).max_seq_length:
    return recorded
  positions = _number(
    folder, hugging_face_reader.CONFIG_FILE, 'max_position_embeddings'
  )
  positions = positions or _MAX_SEQ_LENGTH
  return min(positions, of_tokenizer(folder) or positions)


def of_tokenizer(folder: str) -> int | None:
  """Returns the maximum length of a folder's tokenizer; None if unknown."""
  return _number(folder, tokenizer_files.CONFIG, 'model_max_length')


def _number(folder: str, name: str, key: str) -> int | None:
  path = os.path.join(folder, name)
  value = files.read_object_if_there(path).get(key)
  return int(value) if export_file.is_positive(value, (int, float)) else None
