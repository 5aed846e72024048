"""Reads a BERT from a Hugging Face folder.

The folder holds config.json, vocab.txt and model.safetensors, or instead of the
latter one of the other `WEIGHTS_FILES`.
"""

import os

import numpy as np

from modeling.checkpoints import hugging_face, pytorch_file, safetensors_file
from modeling.checkpoints.released_names import CLASSIFIER_HEAD
from modeling.configs import BertConfig
from system import files
from system.errors import UserError, few, shown

CONFIG_FILE = 'config.json'
_INDEX = '.index.json'
# In order of precedence. An index names the files that share a model's weights.
WEIGHTS_FILES = (
  'model.safetensors',
  f'model.safetensors{_INDEX}',
  'pytorch_model.bin',
  f'pytorch_model.bin{_INDEX}',
)

_OTHER_HEADS = ('ForTokenClassification', 'ForMultipleChoice')
_MULTI_LABEL = 'multi_label_classification'


def read_config(path: str) -> BertConfig:
  """Reads and translates a config.json.

  Raises:
    UserError: as for `hugging_face.released_config`; the message names the
      file.
  """
  values = files.read_object(path)
  try:
    return hugging_face.released_config(values)
  except UserError as error:
    raise UserError(f'{path}: {error}') from error


def find_weights(folder: str) -> str | None:
  """Returns the path of the first of `WEIGHTS_FILES` in a folder, or None."""
  paths = [os.path.join(folder, name) for name in WEIGHTS_FILES]
  return next(filter(files.exists, paths), None)


def data_files(path: str) -> list[str]:
  """Returns the sorted paths of the files with the values.

  Args:
    path: one of `WEIGHTS_FILES`.

  Raises:
    UserError: an index is malformed, or leads out of its folder.
  """
  if not path.endswith(_INDEX):
    return [path]
  values = files.read_json(path)
  shards = values.get('weight_map') if isinstance(values, dict) else None
  is_map = isinstance(shards, dict)
  names = sorted(set(map(str, shards.values()))) if is_map else []
  if not names or any(os.path.basename(name) != name for name in names):
    raise UserError(
      f'{path} names {shown(names)}, expected the names of files in its folder '
      '(weight_map: tensor → file)'
    )
  return [os.path.join(os.path.dirname(path), name) for name in names]


def check_files(path: str) -> None:
  """Checks that no file with values is missing or cut off.

  The header of a safetensors file says how long the file is. That of PyTorch
  does not: reading it shows.

  Args:
    path: one of `WEIGHTS_FILES`.

  Raises:
    UserError: a file is missing or cut off, or as for `data_files`.
  """
  for part in data_files(path):
    if not files.exists(part):
      raise UserError(f'{part} cannot be found: {path} needs it')
    if not _is_pytorch(path):
      safetensors_file.check(part)


def _is_pytorch(path: str) -> bool:
  return os.path.basename(path).startswith('pytorch_model')


def read_weights(path: str) -> tuple[dict[str, np.ndarray], list[str]]:
  """Reads one of `WEIGHTS_FILES`.

  Returns:
    As `hugging_face.released_weights`. A classifier's head is unused if
    `other_head` says that it is of another kind.

  Raises:
    UserError: a file is missing or damaged, it has no weights of a BERT, or as
      for `hugging_face.released_weights`.
  """
  tensors: dict[str, np.ndarray] = {}
  file_format = pytorch_file if _is_pytorch(path) else safetensors_file
  for part in data_files(path):
    tensors |= file_format.read(part)
  try:
    weights, unused = hugging_face.released_weights(tensors)
  except UserError as error:
    raise UserError(f'{path}: {error}') from error
  if other_head(os.path.dirname(path)):
    weights = {k: x for k, x in weights.items() if k not in CLASSIFIER_HEAD}
    unused += sorted(
      name
      for name in tensors
      if hugging_face.released_name(name) in CLASSIFIER_HEAD
    )
  if not weights:
    raise UserError(
      f'{path} has no weights of a BERT, such as embeddings.word_embeddings.'
      f'weight: it holds {few(unused) or "nothing"}'
    )
  return weights, unused


def other_head(folder: str) -> str:
  """Says how a folder's classifier differs from one that labels whole texts.

  Such a head has the names of a text classifier's, but labels tokens, compares
  choices, or gives independent probabilities.

  Returns:
    '' if config.json names no other kind, or is missing.
  """
  path = os.path.join(folder, CONFIG_FILE)
  values = files.read_object_if_there(path)
  kinds = values.get('architectures')
  names = map(str, kinds) if isinstance(kinds, list) else ()
  other = [name for name in names if name.endswith(_OTHER_HEADS)]
  if other:
    return f'{path} says that the model is a {other[0]}'
  if values.get('problem_type') == _MULTI_LABEL:
    return f'{path} says problem_type {_MULTI_LABEL}'
  return ''


class Reader:
  """One of `WEIGHTS_FILES` with the interface of TensorFlow's reader.

  Args:
    path: the file. The constructor reads all of it and raises the errors of
      `read_weights`.
  """

  def __init__(self, path: str):
    self._weights, _ = read_weights(path)

  def get_variable_to_shape_map(self) -> dict[str, tuple[int, ...]]:
    """Maps released names to shapes."""
    return {name: value.shape for name, value in self._weights.items()}

  def get_variable_to_dtype_map(self) -> dict[str, np.dtype]:
    """Maps released names to dtypes."""
    return {name: value.dtype for name, value in self._weights.items()}

  def get_tensor(self, name: str) -> np.ndarray:
    """Returns a variable's values by its released name, float32."""
    return self._weights[name]
