"""Groups of variables by depth, for layer-wise learning rates and freezing.

The functions take released names. Nothing here imports TensorFlow.
"""

from modeling.checkpoints.released_names import LAYER, is_encoder
from system.errors import UserError


def depth(name: str, num_layers: int) -> int:
  """Returns a variable's distance from the output, in layers.

  Args:
    name: its released name, such as 'bert/encoder/layer_0/output/dense/kernel'.
    num_layers: L of the encoder.

  Returns:
    0 for the heads and the pooler, 1 for the top layer, L for the bottom layer,
    L + 1 for the embeddings.
  """
  if name.startswith('bert/embeddings/'):
    return num_layers + 1
  layer = LAYER.search(name)
  return num_layers - int(layer[0]) if layer else 0


def rate_factor(name: str, num_layers: int, layer_decay: float) -> float:
  """Returns the factor that multiplies a variable's learning rate.

  It is layer_decay^depth: layer_decay^(L - l) for layer l = 0 ... L - 1,
  layer_decay^(L + 1) for the embeddings, and 1 for pooler and heads. Source:
  discriminative fine-tuning, Howard & Ruder 2018 (arXiv 1801.06146), section
  3.1. In ELECTRA (Clark et al. 2020) all exponents below the head are larger by
  one, because it counts the pooler as a layer.
  """
  return layer_decay ** depth(name, num_layers)


def is_frozen(name: str, num_layers: int, freeze: str | None) -> bool:
  """Returns whether a variable is frozen.

  Args:
    name: its released name.
    num_layers: L of the encoder.
    freeze: None; 'embeddings'; 'encoder', everything except the heads; or a
      decimal number k, the embeddings and layers 0 ... k - 1.
  """
  if not freeze:
    return False
  if freeze == 'encoder':
    return is_encoder(name)
  num_frozen_layers = 0 if freeze == 'embeddings' else int(freeze)
  return depth(name, num_layers) > num_layers - num_frozen_layers


def check_freeze(freeze: str | None, num_layers: int) -> None:
  """Checks `freeze` against the number of layers.

  Raises:
    UserError: it is not a value that `is_frozen` accepts.
  """
  if freeze in (None, 'embeddings', 'encoder'):
    return
  if not freeze.isdecimal() or not 1 <= int(freeze) <= num_layers:
    raise UserError(
      f'`freeze`={freeze}: expected embeddings, encoder, or a number of layers '
      f'above the embeddings, 1 to {num_layers} in this model'
    )
