"""Tests of modeling/embeddings.py."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from modeling import layers
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.embeddings import Embeddings

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


def test_embeddings_sum_word_segment_and_position():
  layer = Embeddings(CONFIG, INIT)
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


def test_the_rate_of_embeddings_is_that_of_hidden_states():
  key = DropoutKey(1, tf.constant(0, tf.int64), tf.constant(0, tf.int64))
  ids = tf.constant([[3, 7]])
  names = ('hidden_dropout_prob', 'attention_probs_dropout_prob')
  for rates, is_dropped in (((0.5, 0.0), True), ((0.0, 0.5), False)):
    config = dataclasses.replace(CONFIG, **dict(zip(names, rates, strict=True)))
    layer = Embeddings(config, INIT)
    plain, dropped = layer(ids, ids * 0), layer(ids, ids * 0, key)
    assert np.array_equal(plain, dropped) != is_dropped
