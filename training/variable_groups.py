"""Which weights belong together: by layer, for their rates and for freezing.

Pure functions of released names; nothing here imports TensorFlow.
"""

import re

from system.errors import UserError

_LAYER = re.compile(r'bert/encoder/layer_(\d+)/')


def depth(name: str, num_layers: int) -> int:
  """Counts how far below the output a variable lies.

  Args:
    name: released, as 'bert/encoder/layer_0/output/dense/kernel'.
    num_layers: L of the encoder.

  Returns:
    0 of the heads and the pooler, 1 of the top layer, L of the bottom layer,
    L + 1 of the embeddings.
  """
  if name.startswith('bert/embeddings/'):
    return num_layers + 1
  layer = _LAYER.match(name)
  return num_layers - int(layer[1]) if layer else 0


def rate_factor(name: str, num_layers: int, layer_decay: float) -> float:
  """Returns what the learning rate of a variable is multiplied by.

  It is layer_decay^depth, hence layer_decay^(L - l) of layer l = 0 ... L - 1,
  layer_decay^(L + 1) of the embeddings, and 1 of pooler and heads. Source:
  discriminative fine-tuning, Howard & Ruder 2018 (arXiv 1801.06146), section
  3.1. ELECTRA (Clark et al. 2020) has the same powers but for one more between
  the head and all else, because it keeps a place for a pooler in the ladder.
  """
  return layer_decay ** depth(name, num_layers)


def is_frozen(name: str, num_layers: int, freeze: str | None) -> bool:
  """Says whether a variable stays as it is.

  Args:
    name: released.
    num_layers: L of the encoder.
    freeze: None; 'embeddings'; 'encoder', which is all but the heads; or a
      number k in decimal: the embeddings and layers 0 ... k - 1.
  """
  if not freeze:
    return False
  if freeze == 'encoder':
    return name.startswith('bert/')
  num_frozen_layers = 0 if freeze == 'embeddings' else int(freeze)
  return depth(name, num_layers) > num_layers - num_frozen_layers


def check_freeze(freeze: str | None, num_layers: int) -> None:
  """Checks what --freeze says against the number of layers.

  Raises:
    UserError: it is none of what `is_frozen` knows.
  """
  if freeze in (None, 'embeddings', 'encoder'):
    return
  if not freeze.isdecimal() or not 1 <= int(freeze) <= num_layers:
    raise UserError(
      f'--freeze={freeze}: expected embeddings, encoder, or how many layers, '
      f'counted from the embeddings, 1 to {num_layers} in this model'
    )
