"""A tiny BERT in a Hugging Face folder."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from data.text.vocabulary import SPECIAL

# V=5, H=4, L=1, A=2, intermediate 6.
CONFIG = {
  'architectures': ['BertModel'],
  'attention_probs_dropout_prob': 0.1,
  'hidden_act': 'gelu',
  'hidden_dropout_prob': 0.1,
  'hidden_size': 4,
  'initializer_range': 0.02,
  'intermediate_size': 6,
  'layer_norm_eps': 1e-12,
  'max_position_embeddings': 7,
  'model_type': 'bert',
  'num_attention_heads': 2,
  'num_hidden_layers': 1,
  'position_embedding_type': 'absolute',
  'type_vocab_size': 2,
  'use_cache': True,
  'vocab_size': 5,
}
LAYER = 'encoder.layer.0.'
SHAPES = {
  'embeddings.word_embeddings.weight': (5, 4),
  'embeddings.position_embeddings.weight': (7, 4),
  'embeddings.token_type_embeddings.weight': (2, 4),
  'embeddings.LayerNorm.weight': (4,),
  'embeddings.LayerNorm.bias': (4,),
  LAYER + 'attention.self.query.weight': (4, 4),
  LAYER + 'attention.self.query.bias': (4,),
  LAYER + 'attention.self.key.weight': (4, 4),
  LAYER + 'attention.self.key.bias': (4,),
  LAYER + 'attention.self.value.weight': (4, 4),
  LAYER + 'attention.self.value.bias': (4,),
  LAYER + 'attention.output.dense.weight': (4, 4),
  LAYER + 'attention.output.dense.bias': (4,),
  LAYER + 'attention.output.LayerNorm.weight': (4,),
  LAYER + 'attention.output.LayerNorm.bias': (4,),
  LAYER + 'intermediate.dense.weight': (6, 4),
  LAYER + 'intermediate.dense.bias': (6,),
  LAYER + 'output.dense.weight': (4, 6),
  LAYER + 'output.dense.bias': (4,),
  LAYER + 'output.LayerNorm.weight': (4,),
  LAYER + 'output.LayerNorm.bias': (4,),
  'pooler.dense.weight': (4, 4),
  'pooler.dense.bias': (4,),
}


def make_tensors() -> dict[str, np.ndarray]:
  """Returns the tensors of an encoder, float32; all values are distinct."""
  tensors = {}
  for number, (name, shape) in enumerate(SHAPES.items()):
    count = int(np.prod(shape))
    values = 1000 * number + np.arange(count, dtype=np.float32)
    tensors[name] = values.reshape(shape)
  return tensors


def write_folder(
  folder: pathlib.Path,
  tensors: Mapping[str, np.ndarray] | None = None,
  config: Mapping[str, Any] = CONFIG,
  num_tokens: int = 5,
) -> str:
  """Writes config.json, vocab.txt and model.safetensors.

  Args:
    folder: created if missing.
    tensors: name → values; by default those of `make_tensors`.
    config: the content of config.json.
    num_tokens: the number of lines of vocab.txt.

  Returns:
    The folder.
  """
  folder.mkdir(exist_ok=True)
  (folder / 'config.json').write_text(json.dumps(config))
  words = [*SPECIAL, *(f'token{i}' for i in range(5, num_tokens))]
  (folder / 'vocab.txt').write_text(''.join(f'{word}\n' for word in words))
  safetensors.numpy.save_file(
    make_tensors() if tensors is None else tensors,
    folder / 'model.safetensors',
  )
  return str(folder)
