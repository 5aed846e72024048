"""The encoder with its heads: pre-trainer, and classifier or regressor."""

import tensorflow as tf

from modeling import custom_gradients, layers
from modeling.configs import BertConfig
from modeling.dropout import HEAD_SITE, DropoutKey, stateless_dropout
from modeling.encoder import BertEncoder

# Of the classifier's input in training, whatever bert_config.json says; and
# the spread of its initial weights: google-research/bert fixes both.
_CLASSIFIER_DROPOUT_RATE = 0.1
_CLASSIFIER_INITIALIZER_RANGE = 0.02


class PreTrainer(layers.BaseLayer):
  """The encoder with the masked-LM and the next-sentence head.

  Args:
    config: the encoder's dimensions.
    compute_dtype: of the matrix products.
    seed: of the initial weights.
  """

  def __init__(
    self,
    config: BertConfig,
    compute_dtype: str = 'float32',
    seed: int = 0,
  ):
    super().__init__()
    self.config = config
    self.encoder = BertEncoder(config, compute_dtype, seed)
    init = layers.WeightInit(config.initializer_range, seed)
    self.masked_lm_head = MaskedLmHead(config, init, compute_dtype)
    self.next_sentence_head = OutputHead(
      'cls/seq_relationship/', (2, config.hidden_size), init
    )

  def call(
    self, features: dict[str, tf.Tensor], dropout: DropoutKey | None = None
  ) -> dict[str, tf.Tensor]:
    """Predicts the masked tokens and whether B follows A.

    Args:
      features: int32 or int64 `input_ids`, `input_mask`, `segment_ids` [B, S]
        and `masked_lm_positions` [B, P].
      dropout: None for no dropout.

    Returns:
      float32 `masked_lm_logits` [B, P, V] and `next_sentence_logits` [B, 2].
    """
    encoded = self._encode(features, dropout)
    return {
      'masked_lm_logits': self.masked_lm_head(
        encoded['sequence_output'], self.encoder.word_embeddings
      ),
      'next_sentence_logits': self.next_sentence_head(encoded['pooled_output']),
    }

  def score(
    self, features: dict[str, tf.Tensor], dropout: DropoutKey | None = None
  ) -> dict[str, tf.Tensor]:
    """Scores the tokens behind the masks; cheaper to train than `call`.

    Args:
      features: as for `call`, and int `masked_lm_ids` [B, P].
      dropout: None for no dropout.

    Returns:
      `masked_lm_nats`, float32 [B, P], the cross-entropies of `call`'s
      `masked_lm_logits`, and `next_sentence_logits`, float32 [B, 2].
    """
    encoded = self._encode(features, dropout)
    return {
      'masked_lm_nats': self.masked_lm_head.nats(
        encoded['sequence_output'],
        self.encoder.word_embeddings,
        features['masked_lm_ids'],
      ),
      'next_sentence_logits': self.next_sentence_head(encoded['pooled_output']),
    }

  def _encode(self, features, dropout) -> dict[str, tf.Tensor]:
    # Nothing else of the last layer's output is looked at.
    return self.encoder(
      *_encoder_inputs(features),
      dropout,
      positions=features['masked_lm_positions'],
    )


class Classifier(layers.BaseLayer):
  """The encoder with one linear layer: a classifier, or a regressor.

  Args:
    config: the encoder's dimensions.
    num_outputs: C, the number of classes; 1 for regression.
    compute_dtype: of the encoder's matrix products.
    seed: of the initial weights.
  """

  def __init__(
    self,
    config: BertConfig,
    num_outputs: int,
    compute_dtype: str = 'float32',
    seed: int = 0,
  ):
    super().__init__()
    self.config = config
    self.encoder = BertEncoder(config, compute_dtype, seed)
    init = layers.WeightInit(_CLASSIFIER_INITIALIZER_RANGE, seed)
    self.head = OutputHead('', (num_outputs, config.hidden_size), init)

  def call(
    self, features: dict[str, tf.Tensor], dropout: DropoutKey | None = None
  ) -> dict[str, tf.Tensor]:
    """Scores a batch of examples.

    Args:
      features: int32 or int64 `input_ids`, `input_mask`, `segment_ids` [B, S].
      dropout: None for no dropout.

    Returns:
      float32 `logits` [B, C].
    """
    encoded = self.encoder(*_encoder_inputs(features), dropout, cls_only=True)
    pooled = stateless_dropout(
      encoded['pooled_output'], _CLASSIFIER_DROPOUT_RATE, dropout, HEAD_SITE
    )
    return {'logits': self.head(pooled)}


class MaskedLmHead(layers.BaseLayer):
  """Predicts tokens at masked positions; output weights are the embeddings."""

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
    """Computes logits of the masked positions.

    Args:
      masked: float32 [B, P, H], the encoder's output there.
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
    """Computes the cross-entropies of `call`'s logits with int ids [B, P]."""
    nats = custom_gradients.tied_cross_entropy(
      self._transformed(masked, is_training=True),
      word_embeddings,
      self.output_bias,
      tf.reshape(ids, [-1]),
      self._product_dtype,
    )
    return tf.reshape(nats, tf.shape(ids))

  def _transformed(self, masked: tf.Tensor, is_training: bool) -> tf.Tensor:
    x = self.transform(tf.reshape(masked, [-1, masked.shape[-1]]))
    return self.norm(self._activation(x, is_training))


class OutputHead(layers.BaseLayer):
  """A linear layer in float32, its weights laid out [outputs, inputs].

  Args:
    prefix: of the names `output_weights` and `output_bias`.
    shape: [outputs, inputs].
    init: how the weights start; the bias starts at zero.
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


def released_variables(
  model: tf.Module,
) -> dict[str, tf.Variable]:
  """Maps released names, without ':0', to a model's variables, in order."""
  return {variable.name.split(':')[0]: variable for variable in model.variables}


def _encoder_inputs(features: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
  return tuple(
    features[name] for name in ('input_ids', 'input_mask', 'segment_ids')
  )
