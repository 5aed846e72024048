"""How many floating-point operations a step takes, by the formula.

The product of an [m, k] and a [k, n] matrix takes 2 m k n. Counted are the
matrix products and the optimizer's update; what lies between the products
(dropout, softmax, LayerNorm, activations) is a few per cent and is left out.
"""

from modeling.configs import BertConfig

# The gradient of a product is two products of the same size.
_TRAINING_PRODUCTS = 3
# AdamW's, for each weight: g^2 and its sum 2, clipping 1, decay 2, moments
# 3 + 4, the step 4.
_UPDATE = 16


def encoder_flops(
  config: BertConfig, rows: int, length: int, last_asking: int | None = None
) -> int:
  """Counts one pass of the encoder with its pooler.

  Of N = rows * length positions that answer, and Q that ask, a layer takes
  2 (2 H^2 N + 2 H^2 Q + 2 H I Q) for its kernels (key and value; query and
  output; the feed-forward net of inner size I), and 2 (2 H length Q) for its
  scores and their products with the values.

  Args:
    config: the model's dimensions.
    rows: B.
    length: S.
    last_asking: how many positions of a row ask in the last layer; None for
      all of them.
  """
  hidden, inner = config.hidden_size, config.intermediate_size
  answering = rows * length

  def layer(asking: int) -> int:
    kernels = 2 * hidden * hidden * (answering + asking)
    kernels += 2 * hidden * inner * asking
    return 2 * (kernels + 2 * hidden * length * asking)

  last = layer(rows * (length if last_asking is None else last_asking))
  pooler = 2 * rows * hidden * hidden
  return (config.num_hidden_layers - 1) * layer(answering) + last + pooler


def pretrainer_flops(
  config: BertConfig, rows: int, length: int, num_predictions: int
) -> int:
  """Counts one pass of the encoder and both heads of pre-training."""
  hidden = config.hidden_size
  masked_lm = 2 * rows * num_predictions * hidden * (hidden + config.vocab_size)
  next_sentence = 2 * rows * hidden * 2
  # [CLS] asks, too.
  encoder = encoder_flops(config, rows, length, num_predictions + 1)
  return encoder + masked_lm + next_sentence


def classifier_flops(
  config: BertConfig, rows: int, length: int, num_outputs: int
) -> int:
  """Counts one pass of the encoder and a classifier's head."""
  head = 2 * rows * config.hidden_size * num_outputs
  return encoder_flops(config, rows, length, last_asking=1) + head


def training_flops(forward: int, num_weights: int) -> int:
  """Counts a training step in which every weight is trained.

  Args:
    forward: what one pass takes.
    num_weights: of the whole model, each of which AdamW updates.
  """
  return _TRAINING_PRODUCTS * forward + _UPDATE * num_weights
