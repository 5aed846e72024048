"""tf-models-official's BERT models: names, layout and configuration.

Its TensorFlow 2 checkpoints name no variable. They hold a graph of objects
(trackable_object_graph.proto), whose edges are the attributes of its Keras
objects; the edges from the root that lead to a variable identify it:

  encoder/_transformer_layers/0/_attention_layer/_query_dense/kernel
  encoder/layer_with_weights-4/_attention_layer/_query_dense/kernel

Both lead to layer 0's query. Checkpoints of its older encoder, a functional
Keras model, have the second kind of edges, some of them only this kind.

Its attention kernels have three dimensions, [H, A, H/A] and [A, H/A, H]; its
heads' kernels are [H, C]. Released BERT's are [H, H] and [C, H].

Tested by `tests/tools/import_tf_models_test.py`.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from modeling.configs import BertConfig
from system.errors import UserError, shown

# The settings of an experiment, next to its checkpoints.
PARAMS = 'params.yaml'
# The root's edges to objects that its fine-tuning tasks start from.
ENCODER, MASKED_LM = 'encoder', 'masked_lm'
NEXT_SENTENCE_POOLER = 'next_sentence.pooler_dense'
MODEL = 'model'
# In its classifier, and in its pre-trainer.
CLASSIFIER = 'classifier'
NEXT_SENTENCE = 'classification_heads/0'

_POOLER = 'bert/pooler/dense'
WORD_TABLE = '_embedding_layer/embeddings'
_TABLES = {
  'bert/embeddings/word_embeddings': WORD_TABLE,
  'bert/embeddings/position_embeddings': '_position_embedding_layer/embeddings',
  'bert/embeddings/token_type_embeddings': '_type_embedding_layer/embeddings',
}
_EMBEDDING_NORM = ('bert/embeddings/LayerNorm', '_embedding_norm_layer')
_LAYERS = '_transformer_layers'
_IN_LAYER = {
  'attention/self/query': '_attention_layer/_query_dense',
  'attention/self/key': '_attention_layer/_key_dense',
  'attention/self/value': '_attention_layer/_value_dense',
  'attention/output/dense': '_attention_layer/_output_dense',
  'attention/output/LayerNorm': '_attention_layer_norm',
  'intermediate/dense': '_intermediate_dense',
  'output/dense': '_output_dense',
  'output/LayerNorm': '_output_layer_norm',
}
_MASKED_LM = {
  'cls/predictions/transform/dense/kernel': 'dense/kernel',
  'cls/predictions/transform/dense/bias': 'dense/bias',
  'cls/predictions/transform/LayerNorm/gamma': 'layer_norm/gamma',
  'cls/predictions/transform/LayerNorm/beta': 'layer_norm/beta',
  'cls/predictions/output_bias': 'bias',
}
# Leaves of a head's `out_proj` → the ends of released names.
_OUTPUT = {'kernel': 'output_weights', 'bias': 'output_bias'}
_SEQUENCE = re.compile(r'bert/encoder/layer_(\d+)/attention/')

# Its activation → ours. Its 'gelu' is the tanh form, as released BERT's.
_ACTIVATIONS = {
  'gelu': 'gelu',
  'relu': 'relu',
  'tanh': 'tanh',
  'linear': 'linear',
  'identity': 'linear',
}
# Our key → its key and its default.
_CONFIG = {
  'vocab_size': ('vocab_size', 30522),
  'hidden_size': ('hidden_size', 768),
  'num_hidden_layers': ('num_layers', 12),
  'num_attention_heads': ('num_attention_heads', 12),
  'intermediate_size': ('intermediate_size', 3072),
  'hidden_act': ('hidden_activation', 'gelu'),
  'hidden_dropout_prob': ('dropout_rate', 0.1),
  'attention_probs_dropout_prob': ('attention_dropout_rate', 0.1),
  'max_position_embeddings': ('max_position_embeddings', 512),
  'type_vocab_size': ('type_vocab_size', 2),
  'initializer_range': ('initializer_range', 0.02),
}
_TYPES = ('bert', 'bert_v2')


def encoder_paths(num_layers: int, is_functional: bool) -> dict[str, str]:
  """Maps released names of the encoder to edges from the encoder's object.

  >>> encoder_paths(1, False)['bert/encoder/layer_0/output/dense/bias']
  '_transformer_layers/0/_output_dense/bias'
  >>> encoder_paths(1, True)['bert/encoder/layer_0/output/dense/bias']
  'layer_with_weights-4/_output_dense/bias'

  Args:
    num_layers: L.
    is_functional: whether to name the edges of a functional Keras model, which
      numbers its layers, instead of those of attributes.
  """
  paths = dict(_TABLES)
  paths |= _with_leaves(*_EMBEDDING_NORM)
  for i in range(num_layers):
    for ours, theirs in _IN_LAYER.items():
      paths |= _with_leaves(
        f'bert/encoder/layer_{i}/{ours}', f'{_LAYERS}/{i}/{theirs}'
      )
  paths |= _with_leaves(_POOLER, '_pooler_layer')
  return _numbered(paths) if is_functional else paths


def _with_leaves(ours: str, theirs: str) -> dict[str, str]:
  is_norm = ours.endswith('LayerNorm')
  leaves = ('gamma', 'beta') if is_norm else ('kernel', 'bias')
  return {f'{ours}/{leaf}': f'{theirs}/{leaf}' for leaf in leaves}


def _numbered(paths: Mapping[str, str]) -> dict[str, str]:
  """Replaces the names of an encoder's layers by their numbers, in order."""
  layer = re.compile(rf'{_LAYERS}/\d+|[^/]+')
  firsts = {path: layer.match(path)[0] for path in paths.values()}
  numbers = {name: i for i, name in enumerate(dict.fromkeys(firsts.values()))}
  return {
    name: f'layer_with_weights-{numbers[firsts[path]]}'
    + path.removeprefix(firsts[path])
    for name, path in paths.items()
  }


def pooler_paths(at: str) -> dict[str, str]:
  """Maps the pooler's released names to those of a dense layer at `at`."""
  return _with_leaves(_POOLER, at)


def masked_lm_paths(at: str) -> dict[str, str]:
  """Maps the masked-LM head's released names to edges from the root."""
  return {name: f'{at}/{path}' for name, path in _MASKED_LM.items()}


def output_paths(prefix: str, at: str) -> dict[str, str]:
  """Maps a head's released names to edges from the root.

  >>> output_paths('cls/seq_relationship/', 'x')[
  ...   'cls/seq_relationship/output_weights'
  ... ]
  'x/out_proj/kernel'
  """
  return {
    f'{prefix}{ours}': f'{at}/out_proj/{theirs}'
    for theirs, ours in _OUTPUT.items()
  }


def their_values(
  weights: Mapping[str, np.ndarray], num_heads: int
) -> dict[str, np.ndarray]:
  """Returns released name → values in the layout of tf-models-official.

  Args:
    weights: released name → values in the released layout.
    num_heads: A.
  """
  return {
    name: np.ascontiguousarray(_their_value(name, value, num_heads))
    for name, value in weights.items()
  }


def _their_value(name: str, value: np.ndarray, num_heads: int) -> np.ndarray:
  if name.endswith('output_weights'):
    return value.T
  if not _SEQUENCE.match(name) or name.endswith(('gamma', 'beta')):
    return value
  if '/self/' in name:
    return value.reshape(*value.shape[:-1], num_heads, -1)
  is_kernel = value.ndim == 2
  return value.reshape(num_heads, -1, value.shape[-1]) if is_kernel else value


def our_value(name: str, value: np.ndarray) -> np.ndarray:
  """Returns float32 values in the released layout; reverses `their_values`."""
  value = np.asarray(value, np.float32)
  if name.endswith('output_weights'):
    return np.ascontiguousarray(value.T)
  if '/attention/self/' in name:
    return value.reshape(*value.shape[:-2], -1)
  if name.endswith('/attention/output/dense/kernel'):
    return value.reshape(-1, value.shape[-1])
  return value


def released_config(encoder: Mapping[str, Any]) -> BertConfig:
  """Translates the `encoder` of a params.yaml.

  >>> released_config({'type': 'bert', 'bert': {'num_layers': 2}}).hidden_act
  'gelu'

  Args:
    encoder: `type`, and the settings of that type.

  Raises:
    UserError: released BERT's code cannot compute the encoder; the message
      shows the key, its value and what was expected.
  """
  kind = encoder.get('type', _TYPES[0])
  if kind not in _TYPES:
    raise UserError(
      f'encoder.type is {shown(kind)}, expected {" or ".join(_TYPES)}'
    )
  values = encoder.get(kind) or {}
  if not isinstance(values, Mapping):
    raise UserError(f'encoder.{kind} is {shown(values)}, expected settings')
  config = {
    ours: values.get(theirs, default)
    for ours, (theirs, default) in _CONFIG.items()
  }
  _check(values, config)
  config['hidden_act'] = _ACTIVATIONS[config['hidden_act']]
  return BertConfig.from_dict(config)


def _check(values: Mapping[str, Any], config: Mapping[str, Any]) -> None:
  if str(config['hidden_act']) not in _ACTIVATIONS:
    raise UserError(
      f'hidden_activation is {shown(config["hidden_act"])}, expected one of '
      f'{", ".join(_ACTIVATIONS)}'
    )
  for key, expected in (
    ('embedding_size', (None, config['hidden_size'])),
    ('norm_first', (None, False)),
    ('output_range', (None,)),
  ):
    if values.get(key) not in expected:
      raise UserError(
        f'{key} is {shown(values[key])}, expected {expected[-1]!r}: no other '
        'BERT is supported'
      )


def their_config(config: BertConfig) -> dict[str, Any]:
  """Returns the `encoder` of a params.yaml; reverses `released_config`.

  Raises:
    UserError: tf-models-official has no name for the activation.
  """
  ours = (config.hidden_act or 'linear').lower()
  if ours not in _ACTIVATIONS.values():
    raise UserError(
      f'hidden_act is {ours}: tf-models-official has no name for it, only for '
      f'{", ".join(sorted(set(_ACTIVATIONS.values())))}'
    )
  values = {**config.to_dict(), 'hidden_act': ours}
  settings = {theirs: values[key] for key, (theirs, _) in _CONFIG.items()}
  return {'type': _TYPES[0], _TYPES[0]: settings}
