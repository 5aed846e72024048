"""Tests of modeling/heads.py."""

import numpy as np
import tensorflow as tf

from modeling import layers
from modeling.configs import BertConfig
from modeling.heads import MaskedLmHead, OutputHead

INIT = layers.WeightInit(stddev=0.02, seed=0)
CONFIG = BertConfig(
  vocab_size=3,
  hidden_size=2,
  num_attention_heads=1,
  intermediate_size=4,
  hidden_act='linear',
)


def test_the_output_head_is_linear():
  head = OutputHead('cls/', (3, 2), INIT)
  assert [variable.name for variable in head.weights] == [
    'cls/output_weights:0',
    'cls/output_bias:0',
  ]
  head.output_weights.assign([[1, 2], [3, 4], [5, 6]])
  head.output_bias.assign([0, 0, 10])
  np.testing.assert_allclose(head(tf.constant([[1.0, -1.0]])), [[-1, -1, 9]])


def test_the_masked_lm_head_normalises_and_compares_with_the_embeddings():
  head = MaskedLmHead(CONFIG, INIT, 'float32')
  head.transform.kernel.assign(tf.eye(2))
  head.output_bias.assign([0, 0, 5])
  masked = tf.constant([[[3.0, 1.0], [2.0, 8.0]]])
  embeddings = tf.constant([[1.0, 0], [0, 2], [1, 1]])
  # LayerNorm of two values: 1 for the larger, -1 for the smaller.
  logits = np.float32([[[1, -2, 5], [-1, 2, 5]]])
  np.testing.assert_allclose(head(masked, embeddings), logits, atol=1e-6)
  ids = tf.constant([[2, 0]])
  log_sums = np.log(np.exp(logits).sum(-1))
  np.testing.assert_allclose(
    head.nats(masked, embeddings, ids), log_sums - [[5, -1]], atol=1e-5
  )
