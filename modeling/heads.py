"""Heads: layers that turn the encoder's outputs into logits."""

import tensorflow as tf

from modeling import custom_gradients, layers
from modeling.configs import BertConfig


class MaskedLmHead(layers.BaseLayer):
  """Predicts the tokens at masked positions.

  The word embeddings are its output weights.

  Args:
    config: the encoder's dimensions.
    init: the initial values of the dense layer's kernel; biases start at zero.
    compute_dtype: the dtype of the matrix products.
  """

  def __init__(
    self, config: BertConfig, init: layers.WeightInit, compute_dtype: str
  ):
    super().__init__()
    self._product_dtype = compute_dtype
    self._activation = layers.Activation(config.hidden_act)
    hidden = config.hidden_size
    scope = 'cls/predictions'
    self.output_bias = self.add_weight(
      f'{scope}/output_bias', (config.vocab_size,), initializer='zeros'
    )
    self.transform = layers.Dense(
      f'{scope}/transform/dense', (hidden, hidden), init, compute_dtype
    )
    self.norm = layers.LayerNorm(f'{scope}/transform/LayerNorm', hidden)

  def call(self, masked: tf.Tensor, word_embeddings: tf.Tensor) -> tf.Tensor:
    """Computes the logits of the masked positions.

    Args:
      masked: float32 [B, P, H], the encoder's outputs at these positions.
      word_embeddings: float32 [V, H].

    Returns:
      float32 [B, P, V].
    """
    x = self._transformed(masked, is_training=False)
    logits = layers.product(
      x, word_embeddings, self._product_dtype, transpose_b=True
    )
    logits = tf.nn.bias_add(logits, self.output_bias)
    return tf.reshape(logits, [-1, tf.shape(masked)[1], logits.shape[-1]])

  def nats(
    self, masked: tf.Tensor, word_embeddings: tf.Tensor, ids: tf.Tensor
  ) -> tf.Tensor:
    """Computes the cross-entropies of `call`'s logits, with a cheaper gradient.

    Args:
      masked: as for `call`.
      word_embeddings: as for `call`.
      ids: int [B, P], the tokens that were masked.

    Returns:
      float32 [B, P] in nats.
    """
    nats = custom_gradients.tied_cross_entropy(
      self._transformed(masked, is_training=True),
      word_embeddings,
      self.output_bias,
      tf.reshape(ids, [-1]),
      self._product_dtype,
    )
    return tf.reshape(nats, tf.shape(ids))

  def _transformed(self, masked: tf.Tensor, is_training: bool) -> tf.Tensor:
    """Turns [B, P, H] into the output layer's inputs, [B*P, H]."""
    x = self.transform(tf.reshape(masked, [-1, masked.shape[-1]]))
    return self.norm(self._activation(x, is_training))


class OutputHead(layers.BaseLayer):
  """A linear layer in float32, its weights laid out [outputs, inputs].

  Args:
    prefix: precedes the variables' names, `output_weights` and `output_bias`.
    shape: [outputs, inputs].
    init: the initial values of the weights; the bias starts at zero.
  """

  def __init__(
    self, prefix: str, shape: tuple[int, int], init: layers.WeightInit
  ):
    super().__init__()
    name = f'{prefix}output_weights'
    self.output_weights = self.add_weight(
      name, shape, initializer=init.normal(name)
    )
    self.output_bias = self.add_weight(
      f'{prefix}output_bias', shape[:1], initializer='zeros'
    )

  def call(self, x: tf.Tensor) -> tf.Tensor:
    """Maps float32 [B, inputs] to [B, outputs]."""
    return tf.nn.bias_add(
      tf.matmul(x, self.output_weights, transpose_b=True), self.output_bias
    )
