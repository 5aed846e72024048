"""Hidden states that a student may imitate, computed with a model's outputs.

The models' own `call` computes as little of the last layer as its heads need.
These functions compute what methods beyond the logits need: [CLS] states of
chosen layers (Patient KD), the last hidden states of all tokens (DistilBERT),
and the queries, keys and values of the last layer (MiniLM).
"""

from collections.abc import Collection, Sequence

import tensorflow as tf

from modeling.dropout import DropoutKey
from modeling.encoder import BertEncoder, LowerStates
from modeling.models import Classifier, PreTrainer, encoder_inputs

_VECTORS = ('query', 'key', 'value')


def of_classifier(
  model: Classifier,
  features: dict[str, tf.Tensor],
  layers: Sequence[int],
  dropout: DropoutKey | None = None,
) -> dict[str, tf.Tensor]:
  """Computes a classifier's logits and the [CLS] states of some layers.

  Args:
    model: the classifier or regressor.
    features: as for `Classifier.call`.
    layers: M of the layers 1 to L.
    dropout: None for no dropout.

  Returns:
    `logits`, float32 [B, C], and `cls_states`, float32 [B, M, H]: the outputs
    of these layers at [CLS].
  """
  encoder = model.encoder
  lower = encoder.lower_states(*encoder_inputs(features), dropout)
  last = encoder.blocks[-1](
    lower.states[-1], lower.padding, dropout, cls_only=True
  )
  width = encoder.config.hidden_size
  shape = [lower.batch, -1, width]
  states = [tf.reshape(x, shape)[:, 0] for x in lower.states] + [last]
  return {
    'logits': model.classify(encoder.pool(last), dropout),
    'cls_states': tf.stack([states[layer] for layer in layers], axis=1),
  }


def of_pretrainer(
  model: PreTrainer,
  features: dict[str, tf.Tensor],
  names: Collection[str],
  dropout: DropoutKey | None = None,
) -> dict[str, tf.Tensor]:
  """Computes chosen outputs and states of a pre-training model, and no others.

  Args:
    model: the model.
    features: as for `PreTrainer.call`; `masked_lm_nats` needs those of
      `PreTrainer.score`.
    names: which of the results to compute.
    dropout: None for no dropout.

  Returns:
    Those of the following that `names` lists, float32: `query`, `key` and
    `value` [B, S, H] of the last layer, before they are cut into heads;
    `sequence_output` [B, S, H]; and `masked_lm_logits` [B, P, V],
    `masked_lm_nats` [B, P] and `next_sentence_logits` [B, 2], as the model
    returns them.
  """
  encoder = model.encoder
  lower = encoder.lower_states(*encoder_inputs(features), dropout)
  outputs = _vectors(encoder, lower, names)
  if set(names) <= set(_VECTORS):
    return outputs
  positions = features['masked_lm_positions']
  if 'sequence_output' in names:
    encoded = encoder.last_layer(lower, dropout)
    outputs['sequence_output'] = encoded['sequence_output']
    masked = tf.gather(encoded['sequence_output'], positions, batch_dims=1)
  else:
    encoded = encoder.last_layer(lower, dropout, positions=positions)
    masked = encoded['sequence_output']
  if 'masked_lm_logits' in names:
    outputs['masked_lm_logits'] = model.masked_lm_head(
      masked, encoder.word_embeddings
    )
  if 'masked_lm_nats' in names:
    outputs['masked_lm_nats'] = model.masked_lm_head.nats(
      masked, encoder.word_embeddings, features['masked_lm_ids']
    )
  if 'next_sentence_logits' in names:
    outputs['next_sentence_logits'] = model.next_sentence_head(
      encoded['pooled_output']
    )
  return outputs


def _vectors(
  encoder: BertEncoder, lower: LowerStates, names: Collection[str]
) -> dict[str, tf.Tensor]:
  """Computes those of the last layer's `_VECTORS` that `names` lists."""
  attention = encoder.blocks[-1].attention
  shape = [lower.batch, -1, encoder.config.hidden_size]
  return {
    name: tf.reshape(getattr(attention, name)(lower.states[-1]), shape)
    for name in _VECTORS
    if name in names
  }
