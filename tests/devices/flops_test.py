"""Tests of devices/flops.py: by hand, and against the ops of a graph."""

import math

import pytest
import tensorflow as tf
import tiny_world

from devices import flops
from modeling import models
from modeling.configs import BertConfig

# H 8, I 16, L 2, A 2, V 20.
_SEGMENTS = 7
_CONFIG = BertConfig.from_dict(
  {**tiny_world.CONFIG, 'vocab_size': 20, 'type_vocab_size': _SEGMENTS}
)
_ROWS, _LENGTH, _PREDICTIONS, _OUTPUTS = 3, 4, 2, 5


def test_every_term_of_the_encoder_by_hand():
  # 12 positions: query, key, value, output 4 * 2*8*8*12; the feed-forward net
  # 2 * 2*8*16*12; scores and their products 2 * 2*8*4*12.
  layer = 4 * 1536 + 2 * 3072 + 2 * 768
  pooler = 2 * 8 * 8 * 3
  whole = flops.encoder_flops(_CONFIG, _ROWS, _LENGTH)
  assert whole == 2 * layer + pooler
  # 3 queries in the last layer: key, value; query, output; net; attention.
  last = 2 * 1536 + 2 * 384 + 2 * 768 + 2 * 192
  cls_only = flops.encoder_flops(_CONFIG, _ROWS, _LENGTH, last_queries=1)
  assert cls_only == layer + last + pooler


def test_heads_by_hand():
  # The last layer has queries at [CLS] and the masked positions.
  encoder = flops.encoder_flops(_CONFIG, _ROWS, _LENGTH, _PREDICTIONS + 1)
  assert flops.pretrainer_flops(_CONFIG, _ROWS, _LENGTH, _PREDICTIONS) == (
    # 6 masked positions: 8 to 8, 8 to 20; 3 pairs: 8 to 2.
    encoder + 2 * 6 * 8 * 8 + 2 * 6 * 8 * 20 + 2 * 3 * 8 * 2
  )
  encoder = flops.encoder_flops(_CONFIG, _ROWS, _LENGTH, last_queries=1)
  assert flops.classifier_flops(_CONFIG, _ROWS, _LENGTH, _OUTPUTS) == (
    encoder + 2 * 3 * 8 * 5
  )


def test_training_is_three_passes_and_an_update():
  assert flops.training_flops(1000, 10) == 3 * 1000 + 16 * 10


def _products_in(graph):
  """Sums a graph's matrix products, except the look-up of segments."""
  total = 0
  for op in graph.get_operations():
    if op.type in ('MatMul', 'BatchMatMulV2', 'BatchMatMulV3'):
      a, b = op.inputs
      flag = 'transpose_a' if op.type == 'MatMul' else 'adj_x'
      inner = a.shape[-2 if op.get_attr(flag) else -1]
      if _SEGMENTS not in (*a.shape, *b.shape):
        total += 2 * math.prod(op.outputs[0].shape) * inner
  return total


@pytest.mark.slow
@pytest.mark.parametrize('is_pretraining', [True, False])
def test_the_formula_equals_the_products_in_the_graph(is_pretraining):
  if is_pretraining:
    model = models.PreTrainer(_CONFIG)
    counted = flops.pretrainer_flops(_CONFIG, _ROWS, _LENGTH, _PREDICTIONS)
  else:
    model = models.Classifier(_CONFIG, _OUTPUTS)
    counted = flops.classifier_flops(_CONFIG, _ROWS, _LENGTH, _OUTPUTS)
  spec = tf.TensorSpec([_ROWS, _LENGTH], tf.int32)
  batch = dict.fromkeys(('input_ids', 'input_mask', 'segment_ids'), spec)
  batch['masked_lm_positions'] = tf.TensorSpec([_ROWS, _PREDICTIONS], tf.int32)
  graph = tf.function(model.call).get_concrete_function(batch).graph
  assert _products_in(graph) == counted
