"""One layer of the encoder: self-attention, then the feed-forward network."""

import tensorflow as tf

from modeling import layers
from modeling.attention import SelfAttention
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey, block_sites, stateless_dropout


class TransformerBlock(layers.BaseLayer):
  """One layer of the encoder.

  Each of its two parts ends with dropout, a residual connection and LayerNorm,
  in this order.

  Args:
    index: the layer's number, counted from 0.
    config: the encoder's dimensions.
    init: the initial values of the kernels.
    compute_dtype: the dtype of the matrix products.
  """

  def __init__(
    self,
    index: int,
    config: BertConfig,
    init: layers.WeightInit,
    compute_dtype: str,
  ):
    super().__init__()
    self._sites = block_sites(index)
    self._dropout_rate = config.hidden_dropout_prob
    self._activation = layers.Activation(config.hidden_act)
    hidden, inner = config.hidden_size, config.intermediate_size
    scope = f'bert/encoder/layer_{index}'
    out = f'{scope}/attention/output'
    self.attention = SelfAttention(
      f'{scope}/attention/self', config, init, compute_dtype
    )
    self.attention_output = layers.Dense(
      f'{out}/dense', (hidden, hidden), init, compute_dtype
    )
    self.attention_norm = layers.LayerNorm(f'{out}/LayerNorm', hidden)
    self.intermediate = layers.Dense(
      f'{scope}/intermediate/dense', (hidden, inner), init, compute_dtype
    )
    self.output_dense = layers.Dense(
      f'{scope}/output/dense', (inner, hidden), init, compute_dtype
    )
    self.output_norm = layers.LayerNorm(f'{scope}/output/LayerNorm', hidden)

  def call(
    self,
    x: tf.Tensor,
    padding: tf.Tensor,
    dropout: DropoutKey | None = None,
    cls_only: bool = False,
    positions: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """Transforms all positions of each example, or some.

    Args:
      x: float32 [B*S, H].
      padding: float32 [B, 1, 1, S], from `attention.padding_scores`.
      dropout: None for no dropout.
      cls_only: whether to compute only each example's first position.
      positions: int [B, F], the positions to compute; None for all.

    Returns:
      float32 [B*S, H]; [B, H] if `cls_only`; [B*F, H] if there are `positions`.
    """
    sites = self._sites
    batch = tf.shape(padding)[0]
    queries = x
    if cls_only:
      queries = _by_example(x, batch)[:, 0]
    elif positions is not None:
      queries = tf.gather(_by_example(x, batch), positions, batch_dims=1)
      queries = tf.reshape(queries, [-1, x.shape[-1]])
    context = self.attention(
      queries, x, padding, dropout, sites.attention_probabilities
    )
    attended = self._drop(
      self.attention_output(context), batch, dropout, sites.attention_output
    )
    attended = self.attention_norm(attended + queries)
    is_training = dropout is not None
    inner = self.intermediate(attended, is_training)
    inner = self._activation(inner, is_training)
    output = self._drop(
      self.output_dense(inner), batch, dropout, sites.feed_forward_output
    )
    return self.output_norm(output + attended)

  def _drop(
    self,
    x: tf.Tensor,
    batch: tf.Tensor,
    dropout: DropoutKey | None,
    site: int,
  ) -> tf.Tensor:
    """Applies dropout to [B*F, H], with a mask for each example."""
    if dropout is None:
      return x
    dropped = stateless_dropout(
      _by_example(x, batch), self._dropout_rate, dropout, site
    )
    return tf.reshape(dropped, [-1, x.shape[-1]])


def _by_example(x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
  """Reshapes [B*S, H] to [B, S, H]."""
  return tf.reshape(x, [batch, -1, x.shape[-1]])
