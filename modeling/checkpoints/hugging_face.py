"""Hugging Face's BERT models: names, layout and configuration.

Hugging Face's kernels are [outputs, inputs]; released BERT's are [inputs,
outputs]. Embeddings and the heads' output weights have the same layout in both.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from modeling.checkpoints.released_names import (
  HEAD_BIAS,
  HEAD_WEIGHTS,
  MASKED_LM_BIAS,
  WORDS,
)
from modeling.configs import BertConfig, check_fixed
from system.errors import UserError, shown

# Hugging Face's hidden_act → ours. Its 'gelu' is the exact form, while released
# BERT's is the tanh approximation.
_ACTIVATIONS = {
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
  'cls.predictions.bias': MASKED_LM_BIAS,
  # The decoder is tied: it repeats these values under other names.
  'cls.predictions.decoder.bias': MASKED_LM_BIAS,
  'cls.predictions.decoder.weight': WORDS,
  'cls.seq_relationship.weight': 'cls/seq_relationship/output_weights',
  'cls.seq_relationship.bias': 'cls/seq_relationship/output_bias',
  'classifier.weight': HEAD_WEIGHTS,
  'classifier.bias': HEAD_BIAS,
}
_LAYER_NORM = {
  'weight': 'gamma',
  'bias': 'beta',
  'gamma': 'gamma',
  'beta': 'beta',
}
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
  # A list, which has no hash, is not a name either.
  if str(config['hidden_act']) not in _ACTIVATIONS:
    raise UserError(
      f'hidden_act is {shown(config["hidden_act"])}, expected one of'
      f' {", ".join(_ACTIVATIONS)}'
    )
  config['hidden_act'] = _ACTIVATIONS[config['hidden_act']]
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
    UserError: a weight is not a floating-point number, or two tensors differ
      that must be equal, such as the masked-LM decoder and the word embeddings.
  """
  weights: dict[str, np.ndarray] = {}
  unused = []
  for name in sorted(tensors):
    if _unwrapped(name) in _BUFFERS:
      continue
    if (released := released_name(name)) is None:
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


def released_name(name: str) -> str | None:
  """Translates a tensor's name; None if released BERT lacks it.

  >>> released_name('module.bert.pooler.dense.weight')
  'bert/pooler/dense/kernel'
  """
  name = _unwrapped(name)
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


def _unwrapped(name: str) -> str:
  return _WRAPPERS.sub('', name, count=1)


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
