"""Reads a BERT from a checkpoint of tf-models-official.

Tested by `tests/tools/import_tf_models_test.py`.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from modeling.checkpoints import released_names, tf_models
from modeling.checkpoints.file_names import CONFIG
from modeling.checkpoints.object_graph import ObjectGraph
from modeling.checkpoints.tf_models import (
  CLASSIFIER,
  ENCODER,
  MASKED_LM,
  MODEL,
  NEXT_SENTENCE,
  NEXT_SENTENCE_POOLER,
  PARAMS,
)
from modeling.configs import BertConfig
from system import files
from system.errors import UserError, shown

# Where an encoder may be: on its own, in a classifier, in a pre-trainer.
_ENCODERS = (
  *(ENCODER, MODEL, f'{MODEL}/_network', f'{MODEL}/encoder_network'),
  f'{MODEL}/layer_with_weights-0',
)
_QUERY = 'bert/encoder/layer_0/attention/self/query/kernel'


def read_config(folder: str) -> tuple[str, BertConfig]:
  """Reads the model's sizes from params.yaml, else from bert_config.json.

  Returns:
    The file's path, and the configuration.

  Raises:
    UserError: there is neither file, or it is malformed, or no BERT's.
  """
  path = os.path.join(folder, PARAMS)
  if not files.exists(path):
    path = os.path.join(folder, CONFIG)
    if not files.exists(path):
      raise UserError(f'there is neither {PARAMS} nor {CONFIG} in {folder!r}')
    return path, BertConfig.from_json_file(path)
  try:
    return path, tf_models.released_config(_encoder_settings(path))
  except UserError as error:
    raise UserError(f'{path}: {error}') from error


def longest_input(folder: str) -> int | None:
  """Returns the length that a model was trained with, S; None if unknown.

  Raises:
    UserError: params.yaml is malformed.
  """
  path = os.path.join(folder, PARAMS)
  if not files.exists(path):
    return None
  for data in ('train_data', 'validation_data'):
    length = _setting(path, 'task', data, 'seq_length')
    if type(length) is int and length > 0:
      return length
  return None


def _encoder_settings(path: str) -> Mapping[str, Any]:
  """Returns task.model.encoder of a params.yaml.

  Raises:
    UserError: it is malformed, or has no encoder.
  """
  values = _setting(path, 'task', 'model', 'encoder')
  if not isinstance(values, Mapping):
    raise UserError(
      f'task.model.encoder is {shown(values)}, expected the settings of an '
      'encoder'
    )
  return values


def _setting(path: str, *keys: str) -> Any:
  """Returns a value of a params.yaml; None if it is not there."""
  import yaml

  try:
    # It knows no tags, so that a file from elsewhere makes no objects.
    value = yaml.safe_load(files.read_text(path))
  except yaml.YAMLError as error:
    raise UserError(f'it is not YAML: {error}') from error
  for key in keys:
    value = value.get(key) if isinstance(value, Mapping) else None
  return value


def read_weights(
  prefix: str, config: BertConfig
) -> tuple[dict[str, np.ndarray], str, list[str]]:
  """Reads a BERT of tf-models-official: an encoder, and heads if it has them.

  A classifier or a pre-trainer may have its own pooler, in its head, and
  then the encoder's is untrained: the head's is taken.

  Args:
    prefix: the checkpoint's.
    config: the model's.

  Returns:
    released name → float32 values in the released layout; the edges to the
    pooler that was taken; and the keys of the variables that were not.

  Raises:
    UserError: the checkpoint is damaged, or has no encoder, or lacks weights
      of one, which the message names; or it has other layers or heads than
      `config`.
  """
  graph = ObjectGraph(prefix)
  at, paths = _encoder(graph, prefix, config.num_hidden_layers)
  pooler = _pooler(graph)
  if pooler:
    paths |= tf_models.pooler_paths(pooler)
  paths |= _heads(graph)
  keys = {name: graph.key(path) for name, path in paths.items()}
  if missing := [name for name, key in keys.items() if key is None]:
    raise UserError(f'{prefix} lacks the weights of {", ".join(missing)}')
  _check_heads(graph.value(keys[_QUERY]), prefix, config)
  weights = {
    name: tf_models.our_value(name, graph.value(key))
    for name, key in keys.items()
  }
  used = set(keys.values())
  unused = [key for key in graph.variables() if key not in used]
  return weights, pooler or f'{at}/_pooler_layer', unused


def _encoder(
  graph: ObjectGraph, prefix: str, num_layers: int
) -> tuple[str, dict[str, str]]:
  """Returns the edges to the encoder, and those to its variables."""
  for at in _ENCODERS:
    for is_functional in (False, True):
      paths = {
        name: f'{at}/{path}'
        for name, path in tf_models.encoder_paths(
          num_layers, is_functional
        ).items()
      }
      # A classifier, too, has a layer_with_weights-0; it is not a table.
      if graph.key(paths[released_names.WORDS]):
        _check_layers(graph, prefix, paths, num_layers)
        return at, paths
  raise UserError(
    f'{prefix} has no encoder of tf-models-official: looked for '
    f'{", ".join(_ENCODERS)}, with {tf_models.WORD_TABLE}'
  )


def _check_layers(
  graph: ObjectGraph, prefix: str, paths: Mapping[str, str], num_layers: int
) -> None:
  """Checks that the encoder has no more layers than the configuration."""
  last = paths[f'bert/encoder/layer_{num_layers - 1}/output/dense/kernel']
  beyond = re.sub(
    r'(\d+)(?=/_output_dense)', lambda match: str(int(match[1]) + 1), last
  )
  if graph.key(beyond):
    raise UserError(
      f'{prefix} has more layers than the configuration, {num_layers}'
    )


def _check_heads(query: np.ndarray, prefix: str, config: BertConfig) -> None:
  """Checks [H, A, H/A]; the released layout, [H, H], would hide another A."""
  expected = config.num_attention_heads
  if query.ndim != 3 or query.shape[1] != expected:
    raise UserError(
      f"{prefix} has a layer's query of the shape {list(query.shape)}, "
      f'expected {expected} attention heads in the second of three dimensions'
    )


def _pooler(graph: ObjectGraph) -> str | None:
  """Returns the edges to the pooler of a head; None if heads have none."""
  if graph.find(f'{MODEL}/{CLASSIFIER}/out_proj') is not None:
    candidates = (f'{MODEL}/{CLASSIFIER}/dense',)
  else:
    candidates = (NEXT_SENTENCE_POOLER, f'{MODEL}/{NEXT_SENTENCE}/dense')
  found = (x for x in candidates if graph.key(f'{x}/kernel'))
  return next(found, None)


def _heads(graph: ObjectGraph) -> dict[str, str]:
  """Maps the released names of the heads to edges from the root."""
  paths = {}
  for at in (MASKED_LM, f'{MODEL}/{MASKED_LM}'):
    if not paths and graph.key(f'{at}/bias'):
      paths |= tf_models.masked_lm_paths(at)
  for prefix, head in (
    ('', CLASSIFIER),
    ('cls/seq_relationship/', NEXT_SENTENCE),
  ):
    if graph.key(f'{MODEL}/{head}/out_proj/kernel'):
      paths |= tf_models.output_paths(prefix, f'{MODEL}/{head}')
  return paths
