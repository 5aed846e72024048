"""Tests of modeling/models.py."""

import numpy as np
import pytest
import tensorflow as tf

from modeling import models
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from training import losses

CONFIG = BertConfig(
  vocab_size=10,
  hidden_size=8,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=16,
  max_position_embeddings=6,
  type_vocab_size=2,
)
NO_DROPOUT = BertConfig(
  **{
    **CONFIG.to_dict(),
    'hidden_dropout_prob': 0.0,
    'attention_probs_dropout_prob': 0.0,
  }
)


def batch(dtype=tf.int32):
  return {
    name: tf.constant(rows, dtype)
    for name, rows in {
      'input_ids': [[1, 5, 3, 7, 2], [1, 9, 2, 0, 0]],
      'input_mask': [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]],
      'segment_ids': [[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]],
      'masked_lm_positions': [[1, 3, 4], [2, 0, 0]],
    }.items()
  }


def make_key():
  return DropoutKey(7, tf.constant(3, tf.int64), tf.constant(0, tf.int64))


@pytest.fixture
def reference(fixtures_dir):
  """A pre-trainer with the fixture's weights, and the fixture's folder."""
  folder = fixtures_dir / 'reference_bert'
  model = models.PreTrainer(
    BertConfig.from_json_file(str(folder / 'bert_config.json'))
  )
  reader = tf.train.load_checkpoint(str(folder / 'bert_model.ckpt'))
  variables = models.released_variables(model)
  assert variables.keys() == reader.get_variable_to_shape_map().keys()
  for name, variable in variables.items():
    variable.assign(reader.get_tensor(name))
  return model, folder


def read_features(folder):
  with np.load(folder / 'expected_forward.npz') as arrays:
    return {name: tf.constant(arrays[name]) for name in batch()}


def test_pretrainers_predictions_are_those_of_the_original(reference):
  model, folder = reference
  outputs = model(read_features(folder))
  masked_lm = tf.nn.log_softmax(outputs['masked_lm_logits'])
  next_sentence = tf.nn.log_softmax(outputs['next_sentence_logits'])
  with np.load(folder / 'expected_forward.npz') as expected:
    np.testing.assert_allclose(
      tf.reshape(masked_lm, [48, 1000]),
      expected['masked_lm_log_probs'],
      atol=1e-5,
    )
    np.testing.assert_allclose(
      next_sentence, expected['next_sentence_log_probs'], atol=1e-5
    )


def test_pretraining_losses_are_those_of_the_original(reference):
  model, folder = reference
  with np.load(folder / 'expected_training.npz') as expected:
    ids = tf.constant(expected['masked_lm_ids'])
    outputs = model.score({**read_features(folder), 'masked_lm_ids': ids})
    weights = tf.constant(expected['masked_lm_weights'], tf.float32)
    masked_lm = losses.weighted_sum(
      outputs['masked_lm_nats'], weights, tf.reduce_sum(weights) + 1e-5
    )
    labels = tf.constant(expected['next_sentence_labels'])
    next_sentence = losses.next_sentence_loss(
      outputs['next_sentence_logits'], labels, len(labels)
    )
    np.testing.assert_allclose(masked_lm, expected['masked_lm_loss'], rtol=1e-6)
    np.testing.assert_allclose(
      next_sentence, expected['next_sentence_loss'], rtol=1e-6
    )


def test_pretrainers_heads_have_the_released_variables():
  variables = models.released_variables(models.PreTrainer(CONFIG))
  assert {
    name: variable.shape.as_list()
    for name, variable in variables.items()
    if not name.startswith('bert/')
  } == {
    'cls/predictions/transform/dense/kernel': [8, 8],
    'cls/predictions/transform/dense/bias': [8],
    'cls/predictions/transform/LayerNorm/beta': [8],
    'cls/predictions/transform/LayerNorm/gamma': [8],
    'cls/predictions/output_bias': [10],
    'cls/seq_relationship/output_weights': [2, 8],
    'cls/seq_relationship/output_bias': [2],
  }


def test_masked_lm_logits_depend_only_on_the_masked_positions():
  model = models.PreTrainer(CONFIG)
  features = batch()
  logits = model(features)['masked_lm_logits']
  assert logits.shape == [2, 3, 10]
  features['masked_lm_positions'] = tf.constant([[4, 1], [0, 2]])
  permuted = model(features)['masked_lm_logits']
  np.testing.assert_allclose(permuted[0, 0], logits[0, 2], atol=1e-6)
  np.testing.assert_allclose(permuted[0, 1], logits[0, 0], atol=1e-6)
  np.testing.assert_allclose(permuted[1, 1], logits[1, 0], atol=1e-6)


def test_masked_lm_output_weights_are_the_word_embeddings():
  model = models.PreTrainer(CONFIG)
  features = batch()
  before = model(features)['masked_lm_logits']
  # Token 8 occurs in no input, so only the output layer sees its embedding.
  embeddings = model.encoder.word_embeddings
  embeddings.assign(tf.tensor_scatter_nd_add(embeddings, [[8, 0]], [3.0]))
  changed = np.abs(model(features)['masked_lm_logits'] - before).max(
    axis=(0, 1)
  )
  assert changed[8] > 0.01
  assert np.delete(changed, 8).max() < 1e-6


def test_classifiers_variables_are_the_encoders_and_a_linear_layer():
  model = models.Classifier(CONFIG, num_outputs=3)
  variables = models.released_variables(model)
  encoder = models.released_variables(model.encoder)
  assert list(variables) == [*encoder, 'output_weights', 'output_bias']
  assert variables['output_weights'].shape == [3, 8]
  assert variables['output_bias'].shape == [3]


def test_classifier_reads_the_pooled_output():
  model = models.Classifier(CONFIG, num_outputs=3)
  variables = models.released_variables(model)
  weights = np.arange(24.0).reshape(3, 8)
  variables['output_weights'].assign(weights)
  variables['output_bias'].assign([1, 2, 3])
  features = batch()
  pooled = model.encoder(
    features['input_ids'], features['input_mask'], features['segment_ids']
  )['pooled_output']
  np.testing.assert_allclose(
    model(features)['logits'], pooled @ weights.T + [1, 2, 3], atol=1e-4
  )


def test_classifier_drops_a_tenth_of_its_input_whatever_the_configuration():
  model = models.Classifier(NO_DROPOUT, num_outputs=8)
  model.head.output_weights.assign(tf.eye(8))
  features = {name: tf.repeat(x, 500, axis=0) for name, x in batch().items()}
  plain = model(features)['logits']
  dropped = model(features, make_key())['logits']
  is_zero = dropped.numpy() == 0
  # 8,000 decisions: four standard deviations are 0.0134.
  assert abs(is_zero.mean() - 0.1) < 0.0134
  np.testing.assert_allclose(
    dropped[~is_zero], plain[~is_zero] / (1 - 6554 / 65536), rtol=1e-5
  )


def test_models_of_one_seed_share_their_encoders_initial_weights():
  pretrainer = models.released_variables(models.PreTrainer(CONFIG, seed=3))
  classifier = models.released_variables(models.Classifier(CONFIG, 3, seed=3))
  for name in pretrainer.keys() & classifier.keys():
    np.testing.assert_array_equal(pretrainer[name], classifier[name])


@pytest.mark.slow
@pytest.mark.parametrize('dtype', [tf.int32, tf.int64])
def test_graph_of_dynamic_shape_equals_eager(dtype):
  model = models.PreTrainer(CONFIG)
  specs = {name: tf.TensorSpec([None, None], dtype) for name in batch()}
  graph = tf.function(
    lambda features: model(features, make_key()), input_signature=[specs]
  )
  outputs, eager = graph(batch(dtype)), model(batch(), make_key())
  for name, output in outputs.items():
    np.testing.assert_allclose(output, eager[name], atol=1e-5)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_reduced_precision_gives_float32_logits(dtype):
  model = models.PreTrainer(CONFIG, compute_dtype=dtype)
  expected = models.PreTrainer(CONFIG)(batch())
  for name, output in model(batch()).items():
    assert output.dtype == tf.float32
    np.testing.assert_allclose(output, expected[name], atol=0.01)
  logits = models.Classifier(CONFIG, 3, compute_dtype=dtype)(batch())['logits']
  assert logits.dtype == tf.float32


def test_every_variable_of_the_pretrainer_receives_a_gradient():
  model = models.PreTrainer(CONFIG)
  with tf.GradientTape() as tape:
    outputs = model(batch(), make_key())
    loss = sum(tf.reduce_sum(tf.sin(x)) for x in outputs.values())
  gradients = tape.gradient(loss, list(model.trainable_variables))
  assert all(gradient is not None for gradient in gradients)


def test_the_head_of_a_classifier_starts_as_in_bert():
  config = {**CONFIG.to_dict(), 'hidden_size': 64, 'initializer_range': 0.5}
  model = models.Classifier(BertConfig(**config), num_outputs=9)
  weights = model.head.output_weights.numpy()
  # A normal distribution that is cut at two standard deviations of 0.02.
  assert np.abs(weights).max() <= 0.04
  assert 0.015 < weights.std() < 0.02
