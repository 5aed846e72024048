"""Hidden states, against the models' own outputs."""

import numpy as np
import pytest
import tensorflow as tf

from modeling import hidden_states, models
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey

CONFIG = BertConfig(
  vocab_size=10,
  hidden_size=8,
  num_hidden_layers=3,
  num_attention_heads=2,
  intermediate_size=16,
  max_position_embeddings=6,
  type_vocab_size=2,
  initializer_range=0.5,
)
FEATURES = {
  name: tf.constant(rows)
  for name, rows in {
    'input_ids': [[1, 5, 3, 7, 2], [1, 9, 2, 0, 0]],
    'input_mask': [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]],
    'segment_ids': [[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]],
    'masked_lm_positions': [[1, 3, 4], [2, 0, 0]],
    'masked_lm_ids': [[5, 7, 2], [2, 0, 0]],
  }.items()
}
KEY = DropoutKey(7, tf.constant(3, tf.int64), tf.constant(0, tf.int64))


@pytest.mark.parametrize('dropout', [None, KEY])
def test_a_classifier_with_states_has_the_same_logits(dropout):
  model = models.Classifier(CONFIG, num_outputs=3)
  outputs = hidden_states.of_classifier(model, FEATURES, [1, 3], dropout)
  np.testing.assert_allclose(
    outputs['logits'], model(FEATURES, dropout)['logits'], atol=1e-6
  )
  assert outputs['cls_states'].shape == [2, 2, 8]


def test_a_layers_cls_state_is_the_output_of_a_model_that_ends_there():
  model = models.Classifier(CONFIG, num_outputs=3)
  states = hidden_states.of_classifier(model, FEATURES, [3, 2, 1])['cls_states']
  for column, num_layers in enumerate([3, 2, 1]):
    encoder = model.encoder
    encoder.blocks = encoder.blocks[:num_layers]
    outputs = encoder(*models.encoder_inputs(FEATURES))
    np.testing.assert_allclose(
      states[:, column], outputs['sequence_output'][:, 0], atol=1e-5
    )


_ALL = (
  *('query', 'key', 'value', 'sequence_output', 'masked_lm_logits'),
  *('masked_lm_nats', 'next_sentence_logits'),
)


@pytest.mark.parametrize('whole', [True, False])
def test_a_pretrainer_with_states_has_the_same_outputs(whole):
  model = models.PreTrainer(CONFIG)
  names = [name for name in _ALL if whole or name != 'sequence_output']
  outputs = hidden_states.of_pretrainer(model, FEATURES, names)
  assert sorted(outputs) == sorted(names)
  expected = {**model(FEATURES), **model.score(FEATURES)}
  for name, value in expected.items():
    np.testing.assert_allclose(outputs[name], value, atol=1e-5)
  if whole:
    encoded = model.encoder(*models.encoder_inputs(FEATURES))
    np.testing.assert_allclose(
      outputs['sequence_output'], encoded['sequence_output'], atol=1e-6
    )


def test_queries_keys_and_values_are_those_of_the_last_layers_attention():
  model = models.PreTrainer(CONFIG)
  attention = model.encoder.blocks[-1].attention
  lower = model.encoder.lower_states(*models.encoder_inputs(FEATURES))
  outputs = hidden_states.of_pretrainer(model, FEATURES, ['value', 'query'])
  assert outputs.keys() == {'value', 'query'}
  for name, vectors in outputs.items():
    expected = getattr(attention, name)(lower.states[2])
    assert vectors.shape == [2, 5, 8]
    np.testing.assert_allclose(
      tf.reshape(vectors, [10, 8]), expected, atol=1e-6
    )


def test_vectors_alone_leave_the_last_layers_rest_without_a_gradient():
  model = models.PreTrainer(CONFIG)
  with tf.GradientTape() as tape:
    outputs = hidden_states.of_pretrainer(model, FEATURES, ['query'], KEY)
    loss = tf.reduce_sum(outputs['query'] ** 2)
  variables = models.released_variables(model)
  gradients = tape.gradient(loss, variables)
  missing = {name for name, x in gradients.items() if x is None}
  last = 'bert/encoder/layer_2/'
  assert missing == {
    name
    for name in variables
    if name.startswith(('bert/pooler', 'cls/', last)) and '/query/' not in name
  }


@pytest.mark.slow
def test_a_graph_of_dynamic_shape_equals_eager():
  model = models.PreTrainer(CONFIG)
  specs = {name: tf.TensorSpec([None, None], tf.int32) for name in FEATURES}
  graph = tf.function(
    lambda features: hidden_states.of_pretrainer(model, features, _ALL, KEY),
    input_signature=[specs],
  )
  eager = hidden_states.of_pretrainer(model, FEATURES, _ALL, KEY)
  for name, output in graph(FEATURES).items():
    np.testing.assert_allclose(output, eager[name], atol=1e-5)
