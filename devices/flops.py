"""Formulas for the floating-point operations of a step.

They count the matrix products, 2 m k n for [m, k] times [k, n], and the
optimizer's update. They omit the operations between the products (dropout,
softmax, LayerNorm, activations), which are a few per cent.
"""

from modeling.configs import BertConfig

# One forward; the gradient of a product is two products of the same size.
_TRAINING_PRODUCTS = 3
# AdamW's operations per weight: g^2 and its sum 2, clipping 1, decay 2,
# moments 3 + 4, the step 4.
_UPDATE = 16


def encoder_flops(
  config: BertConfig, rows: int, length: int, last_queries: int | None = None
) -> int:
  """Counts one forward pass of the encoder with its pooler.

  A layer with N = B * S key positions and Q query positions takes
  2 (2 H^2 N + 2 H^2 Q + 2 H I Q) for its kernels (key and value; query and
  output; the feed-forward net of inner size I), and 2 (2 H S Q) for the
  attention scores and their products with the values.

  Args:
    config: the model's dimensions.
    rows: B.
    length: S.
    last_queries: query positions per row in the last layer; None for all S.
  """
  hidden, inner = config.hidden_size, config.intermediate_size
  keys = rows * length

  def layer(queries: int) -> int:
    kernels = 2 * hidden * hidden * (keys + queries)
    kernels += 2 * hidden * inner * queries
    return 2 * (kernels + 2 * hidden * length * queries)

  last = layer(rows * (length if last_queries is None else last_queries))
  pooler = 2 * rows * hidden * hidden
  return (config.num_hidden_layers - 1) * layer(keys) + last + pooler


def pretrainer_flops(
  config: BertConfig, rows: int, length: int, num_predictions: int
) -> int:
  """Counts one forward pass of the encoder and both pre-training heads.

  Args:
    config: the model's dimensions.
    rows: B.
    length: S.
    num_predictions: P, masked positions per row.
  """
  hidden = config.hidden_size
  masked_lm = 2 * rows * num_predictions * hidden * (hidden + config.vocab_size)
  next_sentence = 2 * rows * hidden * 2
  # The last layer has queries at the masked positions and at [CLS].
  encoder = encoder_flops(config, rows, length, num_predictions + 1)
  return encoder + masked_lm + next_sentence


def classifier_flops(
  config: BertConfig, rows: int, length: int, num_outputs: int
) -> int:
  """Counts one forward pass of the encoder and a classifier's head.

  Args:
    config: the model's dimensions.
    rows: B.
    length: S.
    num_outputs: C.
  """
  head = 2 * rows * config.hidden_size * num_outputs
  return encoder_flops(config, rows, length, last_queries=1) + head


def training_flops(forward: int, num_weights: int) -> int:
  """Counts a training step in which every weight is trained.

  Args:
    forward: operations of one forward pass.
    num_weights: weights of the whole model; AdamW updates each.
  """
  return _TRAINING_PRODUCTS * forward + _UPDATE * num_weights
