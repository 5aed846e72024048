"""The embedding layer: token ids and segment ids → vectors."""

import tensorflow as tf

from modeling import layers
from modeling.configs import BertConfig
from modeling.dropout import EMBEDDINGS_SITE, DropoutKey, stateless_dropout


class Embeddings(layers.BaseLayer):
  """Sums word, segment and position embeddings and normalises the sum.

  Args:
    config: the encoder's dimensions.
    init: the initial values of the three tables.
  """

  def __init__(self, config: BertConfig, init: layers.WeightInit):
    super().__init__()
    self._config = config
    scope = 'bert/embeddings'
    self.word_embeddings = self._table(
      f'{scope}/word_embeddings', config.vocab_size, init
    )
    self.token_type_embeddings = self._table(
      f'{scope}/token_type_embeddings', config.type_vocab_size, init
    )
    self.position_embeddings = self._table(
      f'{scope}/position_embeddings', config.max_position_embeddings, init
    )
    self.norm = layers.LayerNorm(f'{scope}/LayerNorm', config.hidden_size)

  def _table(
    self, name: str, num_rows: int, init: layers.WeightInit
  ) -> tf.Variable:
    shape = (num_rows, self._config.hidden_size)
    return self.add_weight(name, shape, initializer=init.normal(name))

  def call(
    self,
    input_ids: tf.Tensor,
    segment_ids: tf.Tensor,
    dropout: DropoutKey | None = None,
  ) -> tf.Tensor:
    """Embeds a batch.

    Args:
      input_ids: int32 or int64 [B, S], in [0, V).
      segment_ids: int32 or int64 [B, S], in [0, type_vocab_size).
      dropout: None for no dropout.

    Returns:
      float32 [B, S, H].
    """
    length = tf.shape(input_ids)[1]
    # Gathers from a tensor: once a graph gathers from a variable, TensorFlow
    # copies the whole variable at each read.
    words = tf.gather(tf.convert_to_tensor(self.word_embeddings), input_ids)
    # A one-hot product, as in google-research/bert: the gradient of a gather
    # from a table of two rows would add B*S rows one by one.
    segments = tf.one_hot(segment_ids, self._config.type_vocab_size)
    types = tf.matmul(segments, self.token_type_embeddings)
    output = self.norm(words + types + self.position_embeddings[:length])
    return stateless_dropout(
      output, self._config.hidden_dropout_prob, dropout, site=EMBEDDINGS_SITE
    )
