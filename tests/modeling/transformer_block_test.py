"""Tests of modeling/transformer_block.py."""

import numpy as np
import pytest
import tensorflow as tf

from modeling import layers
from modeling.attention import padding_scores
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.transformer_block import TransformerBlock

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


def block(dtype='float32'):
  return TransformerBlock(0, CONFIG, INIT, dtype)


def dropout_key():
  return DropoutKey(1, tf.constant(0, tf.int64), tf.constant(0, tf.int64))


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_reduced_precision_is_near_float32(dtype):
  x = tf.random.stateless_normal([6, 4], seed=[1, 2])
  padding = padding_scores(tf.ones([2, 3], tf.int32))
  output = block(dtype)(x, padding, dropout_key())
  assert output.dtype == tf.float32
  np.testing.assert_allclose(
    output, block()(x, padding, dropout_key()), atol=0.02
  )


def test_block_of_cls_only_gives_the_first_positions():
  layer = block()
  x = tf.random.stateless_normal([6, 4], seed=[1, 2])
  padding = padding_scores(tf.constant([[1, 1, 1], [1, 1, 0]]))
  whole = layer(x, padding)
  first = layer(x, padding, cls_only=True)
  assert first.shape == [2, 4]
  np.testing.assert_allclose(first, whole[::3], atol=1e-6)
