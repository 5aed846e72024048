"""Hugging Face's BERT models: configuration and weights in released form.

A model's folder holds config.json, vocab.txt and model.safetensors, or instead
of the latter one of the other `WEIGHTS_FILES`. Hugging Face's kernels are
[outputs, inputs]; released BERT's are [inputs, outputs]. Embeddings and the
heads' output weights have the same layout in both.

Tested by `tests/tools/import_hugging_face_test.py`.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors

from modeling.checkpoints import pytorch_file
from modeling.configs import BertConfig, check_fixed
from system import files
from system.errors import UserError, few, shown
from system.file_systems import local_path

CONFIG_FILE = 'config.json'
_INDEX = '.index.json'
# In order of precedence. An index names the files that share a model's weights.
WEIGHTS_FILES = (
  'model.safetensors',
  f'model.safetensors{_INDEX}',
  'pytorch_model.bin',
  f'pytorch_model.bin{_INDEX}',
)

# Hugging Face's hidden_act → ours. Its 'gelu' is the exact form, while released
# BERT's is the tanh approximation.
ACTIVATIONS = {
  'gelu': 'gelu_erf',
  'gelu_python': 'gelu_erf',
  'gelu_new': 'gelu',
  'gelu_fast': 'gelu',
  'gelu_pytorch_tanh': 'gelu',
  'relu': 'relu',
  'tanh': 'tanh',
  'linear': 'linear',
}

_THEIR_ACTIVATIONS = {
  'gelu': 'gelu_new',
  'gelu_erf': 'gelu',
  'relu': 'relu',
  'tanh': 'tanh',
  'linear': 'linear',
}

# Defaults of `transformers` for keys that config.json lacks. type_vocab_size
# differs from google-research/bert's default.
_DEFAULTS = {
  'vocab_size': 30522,
  'hidden_size': 768,
  'num_hidden_layers': 12,
  'num_attention_heads': 12,
  'intermediate_size': 3072,
  'hidden_act': 'gelu',
  'hidden_dropout_prob': 0.1,
  'attention_probs_dropout_prob': 0.1,
  'max_position_embeddings': 512,
  'type_vocab_size': 2,
  'initializer_range': 0.02,
}

_HEADS = {
  'cls.predictions.bias': 'cls/predictions/output_bias',
  # The decoder is tied: it repeats these values under other names.
  'cls.predictions.decoder.bias': 'cls/predictions/output_bias',
  'cls.predictions.decoder.weight': 'bert/embeddings/word_embeddings',
  'cls.seq_relationship.weight': 'cls/seq_relationship/output_weights',
  'cls.seq_relationship.bias': 'cls/seq_relationship/output_bias',
  'classifier.weight': 'output_weights',
  'classifier.bias': 'output_bias',
}
_LAYER_NORM = {
  'weight': 'gamma',
  'bias': 'beta',
  'gamma': 'gamma',
  'beta': 'beta',
}
CLASSIFIER_HEAD = ('output_weights', 'output_bias')
_OTHER_HEADS = ('ForTokenClassification', 'ForMultipleChoice')
_MULTI_LABEL = 'multi_label_classification'
# safetensors' names of numbers, except bfloat16, which NumPy lacks.
_DTYPES = {
  'F16': '<f2',
  'F32': '<f4',
  'F64': '<f8',
  'I64': '<i8',
  'I32': '<i4',
  'I16': '<i2',
  'I8': '<i1',
  'U8': '<u1',
  'BOOL': '<?',
}
_BFLOAT16 = 'BF16'
# What programs that wrap a model put before its names.
_WRAPPERS = re.compile(r'((module|model|_orig_mod)\.)*(bert\.)?')
_BUFFERS = ('embeddings.position_ids', 'embeddings.token_type_ids')
_MODULE = re.compile(
  r'(?P<module>(embeddings|encoder|pooler|cls\.predictions\.transform)\..+)'
  r'\.(?P<leaf>weight|bias|gamma|beta)$'
)


def released_config(values: Mapping[str, Any]) -> BertConfig:
  """Translates the content of a Hugging Face config.json.

  >>> released_config({'hidden_act': 'gelu'}).hidden_act
  'gelu_erf'

  Args:
    values: key → value. Keys that do not change BERT's outputs are ignored.

  Raises:
    UserError: released BERT's code cannot compute the model. The message shows
      the key, its value and what was expected.
  """
  check_fixed(values)
  config = {key: values.get(key, _DEFAULTS[key]) for key in _DEFAULTS}
  # A list, which has no hash, is no name either.
  if str(config['hidden_act']) not in ACTIVATIONS:
    raise UserError(
      f'hidden_act is {shown(config["hidden_act"])}, expected one of'
      f' {", ".join(ACTIVATIONS)}'
    )
  config['hidden_act'] = ACTIVATIONS[config['hidden_act']]
  return BertConfig.from_dict(config)


def released_weights(
  tensors: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], list[str]]:
  """Renames and transposes the tensors of a BERT model.

  Args:
    tensors: name, with or without the prefixes 'bert.' and 'module.' → values.

  Returns:
    released name → float32 values in the released layout; and the sorted names
    of the tensors that released BERT lacks.

  Raises:
    UserError: a weight is no floating-point number, or two tensors differ that
      must be equal, such as the masked-LM decoder and the word embeddings.
  """
  weights: dict[str, np.ndarray] = {}
  unused = []
  for name in sorted(tensors):
    plain = _WRAPPERS.sub('', name, count=1)
    if plain in _BUFFERS:
      continue
    if (released := _released_name(plain)) is None:
      unused.append(name)
      continue
    if not np.issubdtype(tensors[name].dtype, np.floating):
      raise UserError(
        f'{name} holds numbers of the type {tensors[name].dtype}, expected '
        'floating-point numbers: a quantized model cannot be read'
      )
    value = np.asarray(tensors[name], np.float32)
    if released.endswith('/kernel'):
      value = value.T
    if released in weights and not np.array_equal(weights[released], value):
      raise UserError(
        f'{name} differs from the other tensor that becomes {released}:'
        ' released BERT ties the two'
      )
    weights[released] = value
  return weights, unused


def their_activation(name: str | None) -> str:
  """Translates our `hidden_act`.

  >>> their_activation('gelu'), their_activation(None)
  ('gelu_new', 'linear')
  """
  return _THEIR_ACTIVATIONS[(name or 'linear').lower()]


def their_weights(
  weights: Mapping[str, np.ndarray], has_prefix: bool = True
) -> dict[str, np.ndarray]:
  """Renames and transposes a model's weights; reverses `released_weights`.

  The masked-LM decoder is left out: transformers ties it to the embeddings.

  Args:
    weights: released name → values in the released layout.
    has_prefix: whether the encoder's names begin with 'bert.', as in every
      model of transformers with a head.

  Returns:
    Their name → contiguous values in their layout, in the order of `weights`.
  """
  return {
    _their_name(name, has_prefix): np.ascontiguousarray(
      value.T if name.endswith('/kernel') else value
    )
    for name, value in weights.items()
  }


def _their_name(name: str, has_prefix: bool) -> str:
  heads = {
    ours: theirs for theirs, ours in _HEADS.items() if '.decoder.' not in theirs
  }
  if name in heads:
    return heads[name]
  leaves = {'kernel': 'weight', 'gamma': 'weight', 'beta': 'bias'}
  *path, leaf = re.sub(r'layer_(\d+)', r'layer/\1', name).split('/')
  if leaf.endswith('_embeddings'):
    path, leaf = [*path, leaf], 'weight'
  theirs = '.'.join([*path, leaves.get(leaf, leaf)])
  return theirs if has_prefix else theirs.removeprefix('bert.')


def read_config(path: str) -> BertConfig:
  """Reads and translates a config.json.

  Raises:
    UserError: as for `released_config`; the message names the file.
  """
  values = files.read_object(path)
  try:
    return released_config(values)
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
    if not _is_pytorch(path) and (local := local_path(part)) is not None:
      # Some file systems map no file into memory; reading tells other errors.
      with (
        contextlib.suppress(OSError),
        _explained(part),
        safetensors.safe_open(local, 'numpy'),
      ):
        pass


def _is_pytorch(path: str) -> bool:
  return os.path.basename(path).startswith('pytorch_model')


def read_weights(
  path: str,
) -> tuple[dict[str, np.ndarray], list[str]]:
  """Reads one of `WEIGHTS_FILES`.

  Returns:
    As `released_weights`. A classifier's head is unused if `other_head` says
    that it is of another kind.

  Raises:
    UserError: a file is missing or damaged, it has no weights of a BERT, or as
      for `released_weights`.
  """
  tensors: dict[str, np.ndarray] = {}
  for part in data_files(path):
    read = pytorch_file.read if _is_pytorch(path) else _read_safetensors
    tensors |= read(part)
  try:
    weights, unused = released_weights(tensors)
  except UserError as error:
    raise UserError(f'{path}: {error}') from error
  if other_head(os.path.dirname(path)):
    weights = {k: x for k, x in weights.items() if k not in CLASSIFIER_HEAD}
    unused += sorted(filter(_is_of_classifier, tensors))
  if not weights:
    raise UserError(
      f'{path} has no weights of a BERT, such as embeddings.word_embeddings.'
      f'weight: it holds {few(unused) or "nothing"}'
    )
  return weights, unused


def _is_of_classifier(name: str) -> bool:
  return _HEADS.get(_WRAPPERS.sub('', name, count=1)) in CLASSIFIER_HEAD


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


def _read_safetensors(path: str) -> dict[str, np.ndarray]:
  """Returns name → values; bfloat16 becomes float32."""
  with files.open_stream(path) as file:
    content = file.read()
  with _explained(path):
    tensors = safetensors.deserialize(content)
  if unknown := {x['dtype'] for _, x in tensors} - {*_DTYPES, _BFLOAT16}:
    raise UserError(
      f'{path} has numbers of the type {", ".join(sorted(unknown))}, expected '
      f'one of {", ".join([*_DTYPES, _BFLOAT16])}: save the model in float32 '
      'first'
    )
  return {name: _values(**tensor) for name, tensor in tensors}


def _values(dtype: str, shape: Sequence[int], data: bytes) -> np.ndarray:
  if dtype == _BFLOAT16:
    return pytorch_file.widened(np.frombuffer(data, '<u2')).reshape(shape)
  return np.frombuffer(data, _DTYPES[dtype]).reshape(shape)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
  """Turns safetensors' error on a damaged file into a `UserError`."""
  try:
    yield
  except safetensors.SafetensorError as error:
    raise UserError(f'{path} is damaged or cut short: {error}') from error


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


def _released_name(name: str) -> str | None:
  """Translates a name without 'bert.'; None if released BERT lacks it."""
  if name in _HEADS:
    return _HEADS[name]
  if not (match := _MODULE.match(name)):
    return None
  module, leaf = match['module'], match['leaf']
  path = re.sub(r'\blayer\.(\d+)\b', r'layer_\1', module).replace('.', '/')
  if not path.startswith('cls/'):
    path = f'bert/{path}'
  if path.endswith('/LayerNorm'):
    return f'{path}/{_LAYER_NORM[leaf]}'
  if path.endswith('_embeddings'):
    return path
  return f'{path}/{"kernel" if leaf == "weight" else leaf}'
