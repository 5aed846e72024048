"""BERT's encoder: ids → `sequence_output` and `pooled_output`."""

from typing import NamedTuple

import tensorflow as tf

from modeling import layers
from modeling.attention import padding_scores
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.embeddings import Embeddings
from modeling.transformer_block import TransformerBlock


class LowerStates(NamedTuple):
  """What the encoder has computed before its last layer.

  Attributes:
    batch: int32 scalar, B.
    states: L tensors, float32 [B*S, H]: the embeddings, then the outputs of
      the layers 1 to L - 1. The last one is the last layer's input.
    padding: float32 [B, 1, 1, S], from `attention.padding_scores`.
  """

  batch: tf.Tensor
  states: list[tf.Tensor]
  padding: tf.Tensor


class BertEncoder(layers.BaseLayer):
  """The encoder with its pooler; its variables are those of released BERT.

  Args:
    config: the encoder's dimensions.
    compute_dtype: the dtype of the matrix products: 'float32', 'bfloat16' or
      'float16'.
    seed: with a weight's name it determines the weight's initial value; None
      for zeros, for weights that a checkpoint replaces.
  """

  def __init__(
    self,
    config: BertConfig,
    compute_dtype: str = 'float32',
    seed: int | None = 0,
  ):
    super().__init__()
    self.config = config
    init = layers.WeightInit(config.initializer_range, seed)
    self.embeddings = Embeddings(config, init)
    self.blocks = [
      TransformerBlock(index, config, init, compute_dtype)
      for index in range(config.num_hidden_layers)
    ]
    shape = (config.hidden_size, config.hidden_size)
    self.pooler = layers.Dense('bert/pooler/dense', shape, init, compute_dtype)

  @property
  def word_embeddings(self) -> tf.Variable:
    """The embedding table, float32 [V, H]."""
    return self.embeddings.word_embeddings

  def call(
    self,
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    dropout: DropoutKey | None = None,
    cls_only: bool = False,
    positions: tf.Tensor | None = None,
  ) -> dict[str, tf.Tensor]:
    """Encodes a batch.

    Args:
      input_ids: int32 or int64 [B, S], in [0, V).
      input_mask: int32 or int64 [B, S]; 1 for a token, 0 for padding.
      segment_ids: int32 or int64 [B, S], in [0, type_vocab_size).
      dropout: None for no dropout.
      cls_only: whether the last layer computes only [CLS], at position 0.
        Without dropout the outputs equal those of the whole computation up to
        rounding; with dropout the last layer's masks differ.
      positions: int [B, P]; if given, the last layer computes only [CLS] and
        these positions, with the same effect on the outputs.

    Returns:
      `pooled_output`, float32 [B, H]; and unless `cls_only`
      `sequence_output`, float32 [B, S, H], or [B, P, H] if there are
      `positions`.

    Raises:
      ValueError: S is greater than `max_position_embeddings`. If S is unknown
        when a graph is built, running the graph raises InvalidArgumentError.
    """
    lower = self.lower_states(input_ids, input_mask, segment_ids, dropout)
    return self.last_layer(lower, dropout, cls_only, positions)

  def lower_states(
    self,
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    dropout: DropoutKey | None = None,
  ) -> LowerStates:
    """Computes all layers but the last; the arguments are those of `call`."""
    with tf.control_dependencies(self._length_checks(input_ids)):
      x = self.embeddings(input_ids, segment_ids, dropout)
    batch = tf.shape(x)[0]
    states = [tf.reshape(x, [-1, self.config.hidden_size])]
    padding = padding_scores(input_mask)
    for block in self.blocks[:-1]:
      states.append(block(states[-1], padding, dropout))
    return LowerStates(batch, states, padding)

  def last_layer(
    self,
    lower: LowerStates,
    dropout: DropoutKey | None = None,
    cls_only: bool = False,
    positions: tf.Tensor | None = None,
  ) -> dict[str, tf.Tensor]:
    """Computes the last layer and the pooler; returns what `call` returns."""
    if positions is not None:
      positions = tf.pad(positions, [[0, 0], [1, 0]])  # [CLS] is at 0.
    x = self.blocks[-1](
      lower.states[-1], lower.padding, dropout, cls_only, positions
    )
    if cls_only:
      return {'pooled_output': self.pool(x)}
    sequence = tf.reshape(x, [lower.batch, -1, self.config.hidden_size])
    return {
      'sequence_output': sequence if positions is None else sequence[:, 1:],
      'pooled_output': self.pool(sequence[:, 0]),
    }

  def pool(self, cls_output: tf.Tensor) -> tf.Tensor:
    """Maps [B, H], the last layer's output at [CLS], to `pooled_output`."""
    return tf.tanh(self.pooler(cls_output))

  def _length_checks(self, input_ids: tf.Tensor) -> list[tf.Operation]:
    limit = self.config.max_position_embeddings
    length = input_ids.shape[1]
    if length is None:
      message = f'the sequence is longer than max_position_embeddings, {limit}'
      check = tf.debugging.assert_less_equal(
        tf.shape(input_ids)[1], limit, message
      )
      return [check]
    if length > limit:
      raise ValueError(
        f'the sequence length {length} is greater than '
        f'max_position_embeddings, {limit}'
      )
    return []
