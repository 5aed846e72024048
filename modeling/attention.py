"""Multi-head self-attention, and the scores that mask padding."""

import math

import tensorflow as tf

from modeling import layers
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey, stateless_dropout

# Added to the attention score of a padding token before the softmax.
PADDING_SCORE = -10000.0


def padding_scores(
  input_mask: tf.Tensor, score: float = PADDING_SCORE
) -> tf.Tensor:
  """Returns what to add to the attention scores to mask padding.

  >>> padding_scores(tf.constant([[1, 1, 0]])).numpy()
  array([[[[    -0.,     -0., -10000.]]]], dtype=float32)

  Args:
    input_mask: [B, S] of any number type; 1 for a token, 0 for padding.
    score: the number for padding.

  Returns:
    float32 [B, 1, 1, S]; 0 for a token, `score` for padding.
  """
  scores = (1.0 - tf.cast(input_mask, tf.float32)) * score
  return scores[:, tf.newaxis, tf.newaxis, :]


class SelfAttention(layers.BaseLayer):
  """Multi-head self-attention without its output projection.

  Args:
    name_scope: the released name without the trailing '/query/kernel' etc.
    config: the encoder's dimensions.
    init: the initial values of the three kernels.
    compute_dtype: the dtype of the matrix products.
  """

  def __init__(
    self,
    name_scope: str,
    config: BertConfig,
    init: layers.WeightInit,
    compute_dtype: str,
  ):
    super().__init__()
    self._num_heads = config.num_attention_heads
    self._head_size = config.hidden_size // config.num_attention_heads
    self._dropout_rate = config.attention_probs_dropout_prob
    self._product_dtype = compute_dtype
    shape = (config.hidden_size, config.hidden_size)
    self.query = layers.Dense(f'{name_scope}/query', shape, init, compute_dtype)
    self.key = layers.Dense(f'{name_scope}/key', shape, init, compute_dtype)
    self.value = layers.Dense(f'{name_scope}/value', shape, init, compute_dtype)

  def call(
    self,
    queries: tf.Tensor,
    memory: tf.Tensor,
    padding: tf.Tensor,
    dropout: DropoutKey | None,
    site: int,
  ) -> tf.Tensor:
    """Attends from F positions of each example to all S.

    Args:
      queries: float32 [B*F, H], the positions that attend.
      memory: float32 [B*S, H], the positions that they attend to.
      padding: float32 [B, 1, 1, S], from `padding_scores`.
      dropout: None for no dropout.
      site: the dropout site of the attention probabilities.

    Returns:
      float32 [B*F, H].
    """
    batch = tf.shape(padding)[0]
    query = self._split_heads(self.query(queries), batch)
    key = self._split_heads(self.key(memory), batch)
    value = self._split_heads(self.value(memory), batch)
    dtype = self._product_dtype
    scores = layers.product(query, key, dtype, transpose_b=True)  # [B, A, F, S]
    scores *= 1.0 / math.sqrt(self._head_size)
    probabilities = tf.nn.softmax(scores + padding)
    probabilities = stateless_dropout(
      probabilities, self._dropout_rate, dropout, site
    )
    context = layers.product(probabilities, value, dtype)
    context = tf.transpose(context, [0, 2, 1, 3])  # [B, F, A, H/A]
    return tf.reshape(context, [-1, self._num_heads * self._head_size])

  def _split_heads(self, x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Turns [B*S, H] into [B, A, S, H/A] of the products' dtype."""
    x = tf.cast(x, self._product_dtype)  # First, to transpose fewer bytes.
    x = tf.reshape(x, [batch, -1, self._num_heads, self._head_size])
    return tf.transpose(x, [0, 2, 1, 3])
