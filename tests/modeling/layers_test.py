import math

import numpy as np
import pytest
import tensorflow as tf

from modeling import layers
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey

INIT = layers.WeightInit(stddev=0.02, seed=0)
CONFIG = BertConfig(
  vocab_size=10,
  hidden_size=4,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=8,
  max_position_embeddings=6,
  type_vocab_size=2,
)


def attention(dtype='float32'):
  return layers.SelfAttention('attention', CONFIG, INIT, dtype)


def block(dtype='float32'):
  return layers.TransformerBlock(0, CONFIG, INIT, dtype)


def dropout_key():
  return DropoutKey(1, tf.constant(0, tf.int64), tf.constant(0, tf.int64))


def test_weights_carry_exactly_the_names_that_they_are_given():
  dense = layers.Dense('bert/pooler/dense', (2, 3), INIT, 'float32')
  assert [v.name for v in dense.weights] == [
    'bert/pooler/dense/kernel:0',
    'bert/pooler/dense/bias:0',
  ]


def test_initial_weights_are_a_function_of_seed_and_name():
  def kernel(name='a', seed=0, before=0):
    for index in range(before):
      layers.Dense(f'other_{index}', (2, 3), INIT, 'float32')
    init = layers.WeightInit(0.02, seed)
    return layers.Dense(name, (30, 30), init, 'float32').kernel.numpy()

  np.testing.assert_array_equal(kernel(), kernel(before=2))
  assert not np.array_equal(kernel(), kernel(name='b'))
  assert not np.array_equal(kernel(), kernel(seed=1))


def test_initial_weights_are_a_truncated_normal():
  kernel = layers.Dense('a', (300, 300), INIT, 'float32').kernel.numpy()
  assert np.abs(kernel).max() <= 0.04
  assert abs(kernel.mean()) < 0.001
  # A normal cut at two deviations has a deviation of 0.8796 of them.
  np.testing.assert_allclose(kernel.std(), 0.02 * 0.8796, rtol=0.02)


def test_dense_multiplies_and_adds_its_bias():
  dense = layers.Dense('a', (2, 3), INIT, 'float32')
  dense.kernel.assign([[1, 2, 3], [4, 5, 6]])
  dense.bias.assign([0.5, 0, -1])
  np.testing.assert_allclose(
    dense(tf.constant([[1.0, -1.0]])), [[-2.5, -3, -4]]
  )


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_reduced_precision_rounds_the_factors_and_nothing_else(dtype):
  # 1 + 2^-12 is 1 in both; the bias is not rounded.
  dense = layers.Dense('a', (1, 1), INIT, dtype)
  dense.kernel.assign([[1 + 2.0**-12]])
  dense.bias.assign([2.0**-12])
  assert float(dense(tf.ones([1, 1]))[0, 0]) == 1 + 2.0**-12
  assert {v.dtype for v in dense.weights} == {tf.float32}
  x = tf.random.stateless_normal([6, 4], seed=[1, 2])
  padding = layers.padding_scores(tf.ones([2, 3], tf.int32))
  output = block(dtype)(x, padding, dropout_key())
  assert output.dtype == tf.float32
  np.testing.assert_allclose(
    output, block()(x, padding, dropout_key()), atol=0.02
  )


def test_layer_norm_of_a_row():
  norm = layers.LayerNorm('norm', 4)
  norm.gamma.assign([1, 1, 2, 1])
  norm.beta.assign([0, 0, 0, 1])
  # Mean 2.5, variance 1.25.
  unit = 1 / math.sqrt(1.25)
  np.testing.assert_allclose(
    norm(tf.constant([[1.0, 2.0, 3.0, 4.0]])),
    [[-1.5 * unit, -0.5 * unit, 2 * 0.5 * unit, 1.5 * unit + 1]],
    rtol=1e-6,
  )


def test_layer_norm_of_a_tiny_variance_is_not_damped():
  # Epsilon is 1e-12: with the 1e-3 or 1e-6 of others this would be near 0.
  norm = layers.LayerNorm('norm', 2)
  np.testing.assert_allclose(
    norm(tf.constant([[0.0, 2e-4]])), [[-1, 1]], rtol=1e-4
  )


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('gelu', [-0.15880801, 0.0, 1.95459769]),
    ('GELU', [-0.15880801, 0.0, 1.95459769]),
    ('gelu_erf', [-0.15865525, 0.0, 1.95449974]),
    ('relu', [0, 0, 2]),
    ('tanh', [-0.76159416, 0, 0.96402758]),
    ('linear', [-1, 0, 2]),
    ('', [-1, 0, 2]),
    (None, [-1, 0, 2]),
  ],
)
def test_activation(name, expected):
  values = layers.get_activation(name)(tf.constant([-1.0, 0.0, 2.0]))
  np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_padding_is_put_out_of_reach():
  scores = layers.padding_scores(tf.constant([[1, 1, 0]], tf.int64))
  np.testing.assert_array_equal(scores, [[[[0, 0, -10000]]]])


def test_attention_to_equal_keys_averages_the_tokens_that_are_no_padding():
  layer = attention()
  layer.key.kernel.assign(tf.zeros([4, 4]))
  layer.value.kernel.assign(tf.eye(4))
  memory = tf.constant(
    [[1.0, 2, 3, 4], [3, 4, 5, 6], [90, 90, 90, 90]]
    + [[1.0, 1, 1, 1], [90, 90, 90, 90], [90, 90, 90, 90]]
  )
  padding = layers.padding_scores(tf.constant([[1, 1, 0], [1, 0, 0]]))
  context = layer(memory, memory, padding, None, 0)
  expected = [[2, 3, 4, 5]] * 3 + [[1, 1, 1, 1]] * 3
  np.testing.assert_allclose(context, expected, rtol=1e-6)


def test_attention_scores_are_scaled_and_heads_kept_apart():
  layer = attention()
  for dense in (layer.query, layer.key, layer.value):
    dense.kernel.assign(tf.eye(4))
  # Two positions; head 0 sees columns 0-1, head 1 sees columns 2-3.
  x = tf.constant([[1.0, 0, 0, 0], [0, 0, 2, 0]])
  context = layer(x, x, layers.padding_scores(tf.ones([1, 2])), None, 0)
  # Head 0, position 0: scores (1, 0) / sqrt(2); position 1: both 0.
  # Head 1, position 1: scores (0, 4) / sqrt(2); position 0: both 0.
  first = 1 / (1 + math.exp(-1 / math.sqrt(2)))
  second = 1 / (1 + math.exp(-4 / math.sqrt(2)))
  np.testing.assert_allclose(
    context, [[first, 0, 1, 0], [0.5, 0, 2 * second, 0]], rtol=1e-5
  )


def test_attention_drops_probabilities_only_with_a_key():
  layer = attention()
  x = tf.random.stateless_normal([6, 4], seed=[1, 2])
  padding = layers.padding_scores(tf.ones([2, 3]))
  plain = layer(x, x, padding, None, 0)
  dropped = layer(x, x, padding, dropout_key(), 0)
  assert not np.allclose(plain, dropped)


def test_block_of_cls_only_gives_the_first_positions():
  layer = block()
  x = tf.random.stateless_normal([6, 4], seed=[1, 2])
  padding = layers.padding_scores(tf.constant([[1, 1, 1], [1, 1, 0]]))
  whole = layer(x, padding)
  first = layer(x, padding, cls_only=True)
  assert first.shape == [2, 4]
  np.testing.assert_allclose(first, whole[::3], atol=1e-6)


def test_embeddings_sum_word_segment_and_position():
  layer = layers.Embeddings(CONFIG, INIT)
  layer.word_embeddings.assign(tf.one_hot([0] * 10, 4) * 8)
  layer.token_type_embeddings.assign([[0, 0, 0, 0], [0, 4, 0, 0]])
  layer.position_embeddings.assign([[0, 0, 0, 0]] + [[0, 0, 0, 4]] * 5)
  output = layer(tf.constant([[3, 7]]), tf.constant([[0, 1]]))
  # Before LayerNorm: (8, 0, 0, 0), mean 2, deviation sqrt(12);
  # (8, 4, 0, 4), mean 4, deviation sqrt(8).
  near, far = 2 / math.sqrt(12), 4 / math.sqrt(8)
  np.testing.assert_allclose(
    output, [[[3 * near, -near, -near, -near], [far, 0, -far, 0]]], atol=1e-6
  )
