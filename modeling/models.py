"""Whole models: the encoder with heads for pre-training or for a task."""

import tensorflow as tf

from modeling import layers
from modeling.configs import BertConfig
from modeling.dropout import HEAD_SITE, DropoutKey, stateless_dropout
from modeling.encoder import BertEncoder
from modeling.heads import MaskedLmHead, OutputHead

# The dropout rate of the classifier's input, and the standard deviation of its
# head's initial weights. google-research/bert fixes both: bert_config.json does
# not change them.
_CLASSIFIER_DROPOUT_RATE = 0.1
_CLASSIFIER_INITIALIZER_RANGE = 0.02


class PreTrainer(layers.BaseLayer):
  """The encoder with the masked-LM and the next-sentence head.

  >>> from modeling.configs import compact_config
  >>> model = PreTrainer(compact_config('tiny', vocab_size=100))
  >>> outputs = model(
  ...   {
  ...     'input_ids': tf.constant([[2, 10, 4, 3]]),
  ...     'input_mask': tf.ones([1, 4], tf.int32),
  ...     'segment_ids': tf.zeros([1, 4], tf.int32),
  ...     'masked_lm_positions': tf.constant([[2]]),
  ...   }
  ... )
  >>> {name: logits.shape.as_list() for name, logits in outputs.items()}
  {'masked_lm_logits': [1, 1, 100], 'next_sentence_logits': [1, 2]}

  Args:
    config: the encoder's dimensions.
    compute_dtype: the dtype of the matrix products.
    seed: the seed of the initial weights; None for zeros, for weights that a
      checkpoint replaces.
  """

  def __init__(
    self,
    config: BertConfig,
    compute_dtype: str = 'float32',
    seed: int | None = 0,
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
    """Predicts the masked tokens, and whether text B follows text A.

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
    """Computes the masked tokens' losses; training it is cheaper than `call`.

    Args:
      features: as for `call`, and int `masked_lm_ids` [B, P].
      dropout: None for no dropout.

    Returns:
      `masked_lm_nats`, float32 [B, P], the cross-entropies of `call`'s
      `masked_lm_logits`; and `next_sentence_logits`, float32 [B, 2].
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
    # The heads read only these positions of the last layer, and [CLS].
    return self.encoder(
      *encoder_inputs(features),
      dropout,
      positions=features['masked_lm_positions'],
    )


class Classifier(layers.BaseLayer):
  """The encoder with one linear layer: a classifier, or a regressor.

  >>> from modeling.configs import compact_config
  >>> model = Classifier(compact_config('tiny', vocab_size=100), num_outputs=3)
  >>> outputs = model(
  ...   {
  ...     'input_ids': tf.constant([[2, 10, 11, 3]]),
  ...     'input_mask': tf.ones([1, 4], tf.int32),
  ...     'segment_ids': tf.zeros([1, 4], tf.int32),
  ...   }
  ... )
  >>> outputs['logits'].shape.as_list()
  [1, 3]

  Args:
    config: the encoder's dimensions.
    num_outputs: C, the number of classes; 1 for regression.
    compute_dtype: the dtype of the encoder's matrix products.
    seed: the seed of the initial weights; None for zeros, for weights that a
      checkpoint replaces.
  """

  def __init__(
    self,
    config: BertConfig,
    num_outputs: int,
    compute_dtype: str = 'float32',
    seed: int | None = 0,
  ):
    super().__init__()
    self.config = config
    self.encoder = BertEncoder(config, compute_dtype, seed)
    init = layers.WeightInit(_CLASSIFIER_INITIALIZER_RANGE, seed)
    self.head = OutputHead('', (num_outputs, config.hidden_size), init)

  def call(
    self, features: dict[str, tf.Tensor], dropout: DropoutKey | None = None
  ) -> dict[str, tf.Tensor]:
    """Computes the logits of a batch of examples.

    Args:
      features: int32 or int64 `input_ids`, `input_mask`, `segment_ids` [B, S].
      dropout: None for no dropout.

    Returns:
      float32 `logits` [B, C].
    """
    encoded = self.encoder(*encoder_inputs(features), dropout, cls_only=True)
    return {'logits': self.classify(encoded['pooled_output'], dropout)}

  def classify(
    self, pooled: tf.Tensor, dropout: DropoutKey | None = None
  ) -> tf.Tensor:
    """Maps the encoder's `pooled_output`, [B, H], to the logits, [B, C]."""
    pooled = stateless_dropout(
      pooled, _CLASSIFIER_DROPOUT_RATE, dropout, HEAD_SITE
    )
    return self.head(pooled)


def released_variables(model: tf.Module) -> dict[str, tf.Variable]:
  """Maps released names, without ':0', to a model's variables.

  They are in the order of `model.variables`.
  """
  return {variable.name.split(':')[0]: variable for variable in model.variables}


def encoder_inputs(features: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
  """Returns the encoder's first three arguments."""
  return tuple(
    features[name] for name in ('input_ids', 'input_mask', 'segment_ids')
  )
