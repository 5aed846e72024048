"""Tests of modeling/encoder.py."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from modeling import configs
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.encoder import BertEncoder

CONFIG = BertConfig(
  vocab_size=10,
  hidden_size=8,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=16,
  max_position_embeddings=6,
  type_vocab_size=2,
  initializer_range=0.5,
)


def batch(dtype=tf.int32):
  """Three examples of 5, 3 and 1 tokens."""
  return tuple(
    tf.constant(rows, dtype)
    for rows in (
      [[1, 5, 3, 7, 2], [1, 9, 2, 0, 0], [1, 0, 0, 0, 0]],
      [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]],
      [[0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
    )
  )


def make_key(first_example=0, step=3):
  return DropoutKey(
    7, tf.constant(step, tf.int64), tf.constant(first_example, tf.int64)
  )


def load_weights(layer, checkpoint):
  """Assigns the released names that a layer shares with a checkpoint."""
  reader = tf.train.load_checkpoint(checkpoint)
  for variable in layer.weights:
    variable.assign(reader.get_tensor(variable.name.removesuffix(':0')))


@pytest.fixture(scope='module')
def encoder():
  return BertEncoder(CONFIG)


def test_outputs_are_those_of_the_original_code(fixtures_dir):
  folder = fixtures_dir / 'reference_bert'
  config = BertConfig.from_json_file(str(folder / 'bert_config.json'))
  reference_encoder = BertEncoder(config)
  load_weights(reference_encoder, str(folder / 'bert_model.ckpt'))
  with np.load(folder / 'expected_forward.npz') as expected:
    outputs = reference_encoder(
      *(
        tf.constant(expected[name])
        for name in ('input_ids', 'input_mask', 'segment_ids')
      )
    )
    for name in ('sequence_output', 'pooled_output'):
      np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5)


def test_variables_are_those_of_the_released_checkpoint(fixtures_dir):
  folder = fixtures_dir / 'reference_bert'
  config = BertConfig.from_json_file(str(folder / 'bert_config.json'))
  shapes = {
    name: shape
    for name, shape in tf.train.list_variables(str(folder / 'bert_model.ckpt'))
    if name.startswith('bert/')
  }
  assert {
    variable.name.removesuffix(':0'): variable.shape.as_list()
    for variable in BertEncoder(config).weights
  } == shapes


def _tf_models_name(name):
  """Maps released names to those of BertEncoderV2, both without the ':0'."""
  for ours, theirs in (
    ('bert/embeddings/word_embeddings', 'word_embeddings/embeddings'),
    ('bert/embeddings/position_embeddings', 'position_embedding/embeddings'),
    ('bert/embeddings/token_type_embeddings', 'type_embeddings/embeddings'),
    ('bert/embeddings/LayerNorm', 'embeddings/layer_norm'),
    ('bert/pooler/dense', 'pooler_transform'),
    ('bert/encoder', 'transformer'),
    ('attention/self', 'self_attention'),
    ('attention/output/dense', 'self_attention/attention_output'),
    ('attention/output/LayerNorm', 'self_attention_layer_norm'),
    ('intermediate/dense', 'intermediate'),
    ('output/dense', 'output'),
    ('output/LayerNorm', 'output_layer_norm'),
  ):
    name = name.replace(ours, theirs)
  return name


def test_outputs_are_those_of_tf_models():
  from official.nlp.modeling.networks import BertEncoderV2

  encoder = BertEncoder(CONFIG, seed=5)
  oracle = BertEncoderV2(
    vocab_size=10,
    hidden_size=8,
    num_layers=2,
    num_attention_heads=2,
    max_sequence_length=6,
    type_vocab_size=2,
    inner_dim=16,
  )
  ids, mask, segments = batch()
  inputs = {
    'input_word_ids': ids,
    'input_mask': mask,
    'input_type_ids': segments,
  }
  oracle(inputs)  # The first call makes its weights.
  theirs = {
    variable.name.removesuffix(':0').split('/', 1)[1]: variable
    for variable in oracle.trainable_weights
  }
  random = np.random.default_rng(0)
  for variable in encoder.weights:
    value = random.normal(scale=0.5, size=variable.shape)
    variable.assign(value)
    target = theirs.pop(_tf_models_name(variable.name[:-2]))
    target.assign(np.reshape(value, target.shape))
  assert not theirs
  ours, expected = encoder(ids, mask, segments), oracle(inputs)
  for name in ('sequence_output', 'pooled_output'):
    np.testing.assert_allclose(ours[name], expected[name], atol=1e-5)


@pytest.mark.parametrize('size', ['2/128', '4/128', '2/256'])
def test_counted_parameters_are_those_of_the_encoder(size):
  config = configs.compact_config(size, vocab_size=1000)
  shapes = [variable.shape for variable in BertEncoder(config).weights]
  assert sum(map(math.prod, shapes)) == configs.count_parameters(config)


def test_cls_only_gives_only_the_pooled_output(encoder):
  whole = encoder(*batch())
  first = encoder(*batch(), cls_only=True)
  assert first.keys() == {'pooled_output'}
  np.testing.assert_allclose(
    first['pooled_output'], whole['pooled_output'], atol=1e-6
  )


def test_padding_changes_nothing(encoder):
  ids, mask, segments = batch()
  padded = encoder(ids, mask, segments)
  other_padding = encoder(tf.where(mask == 0, 4, ids), mask, segments)
  np.testing.assert_allclose(
    padded['pooled_output'], other_padding['pooled_output'], atol=1e-5
  )
  alone = encoder(ids[1:2, :3], mask[1:2, :3], segments[1:2, :3])
  np.testing.assert_allclose(
    alone['sequence_output'], padded['sequence_output'][1:2, :3], atol=1e-5
  )


def test_graph_of_dynamic_shape_takes_every_batch_size_and_length(encoder):
  spec = tf.TensorSpec([None, None], tf.int64)
  graph = tf.function(encoder.call, input_signature=[spec] * 3)
  for rows, length in ((3, 5), (2, 4), (1, 6)):
    inputs = [
      tf.pad(x, [[0, 0], [0, 1]])[:rows, :length] for x in batch(tf.int64)
    ]
    ours, eager = graph(*inputs), encoder(*inputs)
    assert ours['sequence_output'].shape == [rows, length, 8]
    for name in ('sequence_output', 'pooled_output'):
      np.testing.assert_allclose(ours[name], eager[name], atol=1e-5)


def test_sequence_above_the_limit_is_refused(encoder):
  ids = tf.zeros([2, 7], tf.int32)
  with pytest.raises(ValueError, match='length 7.*max_position_embeddings, 6'):
    encoder(ids, ids, ids)


def test_sequence_above_the_limit_is_refused_in_a_graph(encoder):
  spec = tf.TensorSpec([None, None], tf.int32)
  graph = tf.function(encoder.call, input_signature=[spec] * 3)
  ids = tf.zeros([2, 7], tf.int32)
  with pytest.raises(
    tf.errors.InvalidArgumentError, match='max_position_embeddings, 6'
  ):
    graph(ids, ids, ids)


def test_rows_of_a_split_batch_are_dropped_as_in_the_whole(encoder):
  whole = encoder(*batch(), make_key())
  parts = [
    encoder(*(x[rows] for x in batch()), make_key(first_example=rows.start))
    for rows in (slice(0, 1), slice(1, 3))
  ]
  for name in ('sequence_output', 'pooled_output'):
    joined = tf.concat([part[name] for part in parts], axis=0)
    np.testing.assert_allclose(joined, whole[name], atol=1e-5)
  other_step = encoder(*batch(), make_key(step=4))
  assert not np.allclose(
    other_step['sequence_output'], whole['sequence_output'], atol=0.1
  )


def test_initial_weights_depend_only_on_the_seed():
  first, again, other = (BertEncoder(CONFIG, seed=s) for s in (1, 1, 2))
  for a, b, c in zip(first.weights, again.weights, other.weights, strict=True):
    np.testing.assert_array_equal(a, b)
    is_random = a.name.endswith(('kernel:0', 'embeddings:0'))
    assert np.array_equal(a, c) != is_random


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_reduced_precision_keeps_outputs_and_weights_float32(dtype, encoder):
  reduced = BertEncoder(CONFIG, compute_dtype=dtype)
  outputs, expected = reduced(*batch()), encoder(*batch())
  assert {v.dtype for v in reduced.weights} == {tf.float32}
  for name in ('sequence_output', 'pooled_output'):
    assert outputs[name].dtype == tf.float32
    # LayerNorm of 8 values enlarges single errors. Over 12 seeds the largest
    # error was 0.115, the mean 0.009.
    errors = np.abs(outputs[name] - expected[name])
    assert 0 < errors.mean() < 0.02 and errors.max() < 0.2


def test_every_weight_receives_a_gradient(encoder):
  with tf.GradientTape() as tape:
    outputs = encoder(*batch(), make_key())
    loss = tf.reduce_sum(outputs['pooled_output'] ** 2)
  gradients = tape.gradient(loss, encoder.trainable_weights)
  # A key's bias shifts all scores of a row equally, which softmax ignores.
  assert {
    variable.name
    for variable, gradient in zip(
      encoder.trainable_weights, gradients, strict=True
    )
    if np.max(np.abs(tf.convert_to_tensor(gradient))) < 1e-5
    and 'self/key/bias' not in variable.name
  } == set()


def test_a_thousand_positions_are_computed_and_padding_changes_nothing():
  config = dataclasses.replace(CONFIG, max_position_embeddings=1024)
  encoder = BertEncoder(config)
  ids = np.random.default_rng(0).integers(1, 10, [1, 1024])
  mask = np.int32(np.arange(1024) < 600)[np.newaxis]
  segments = np.zeros([1, 1024], np.int32)
  positions = encoder.embeddings.position_embeddings

  def output(length):
    inputs = (ids[:, :length], mask[:, :length], segments[:, :length])
    return encoder(*map(tf.constant, inputs))['sequence_output'][0, :600]

  long = output(1024)
  np.testing.assert_allclose(output(640), long, atol=1e-5)
  positions.scatter_nd_add([[600]], [[9.0] * 8])  # A padding token's.
  np.testing.assert_allclose(output(1024), long, atol=1e-5)
  positions.scatter_nd_add([[599]], [np.arange(8.0)])
  assert np.abs(output(1024) - long).max() > 0.01


@pytest.mark.parametrize('number', [1, 3, 16])
def test_each_segment_has_its_own_row(number):
  encoder = BertEncoder(dataclasses.replace(CONFIG, type_vocab_size=number))
  ids, mask, segments = batch()
  table = encoder.embeddings.token_type_embeddings
  assert table.shape == (number, 8)
  first = encoder(ids, mask, segments * 0)['pooled_output']
  table.assign(tf.reverse(table, axis=[0]))
  last = encoder(ids, mask, segments * 0 + number - 1)['pooled_output']
  np.testing.assert_array_equal(first, last)
