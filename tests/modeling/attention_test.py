"""Tests of modeling/attention.py."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from modeling import layers
from modeling.attention import SelfAttention, padding_scores
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
  return SelfAttention('attention', CONFIG, INIT, dtype)


def dropout_key():
  return DropoutKey(1, tf.constant(0, tf.int64), tf.constant(0, tf.int64))


def test_padding_has_a_large_negative_score():
  scores = padding_scores(tf.constant([[1, 1, 0]], tf.int64))
  np.testing.assert_array_equal(scores, [[[[0, 0, -10000]]]])


def test_attention_to_equal_keys_averages_all_tokens_but_padding():
  layer = attention()
  layer.key.kernel.assign(tf.zeros([4, 4]))
  layer.value.kernel.assign(tf.eye(4))
  memory = tf.constant(
    [[1.0, 2, 3, 4], [3, 4, 5, 6], [90, 90, 90, 90]]
    + [[1.0, 1, 1, 1], [90, 90, 90, 90], [90, 90, 90, 90]]
  )
  padding = padding_scores(tf.constant([[1, 1, 0], [1, 0, 0]]))
  context = layer(memory, memory, padding, None, 0)
  expected = [[2, 3, 4, 5]] * 3 + [[1, 1, 1, 1]] * 3
  np.testing.assert_allclose(context, expected, rtol=1e-6)


def test_attention_scores_are_scaled_and_heads_kept_apart():
  layer = attention()
  for dense in (layer.query, layer.key, layer.value):
    dense.kernel.assign(tf.eye(4))
  # Two positions; head 0 sees columns 0-1, head 1 sees columns 2-3.
  x = tf.constant([[1.0, 0, 0, 0], [0, 0, 2, 0]])
  context = layer(x, x, padding_scores(tf.ones([1, 2])), None, 0)
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
  padding = padding_scores(tf.ones([2, 3]))
  plain = layer(x, x, padding, None, 0)
  dropped = layer(x, x, padding, dropout_key(), 0)
  assert not np.allclose(plain, dropped)


def test_the_rate_of_attention_is_not_that_of_hidden_states():
  rates = {'attention_probs_dropout_prob': 0.0, 'hidden_dropout_prob': 0.5}
  config = dataclasses.replace(CONFIG, **rates)
  layer = SelfAttention('attention', config, INIT, 'float32')
  x = tf.random.stateless_normal([6, 4], seed=[1, 2])
  padding = padding_scores(tf.ones([2, 3]))
  plain = layer(x, x, padding, None, 0)
  np.testing.assert_array_equal(layer(x, x, padding, dropout_key(), 0), plain)
