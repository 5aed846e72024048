"""Reduced precision: which ops of a training step it changes, and its losses.

Tests of `training/loss_scale.py` as well.
"""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.models import PreTrainer
from training import pretraining
from training.loss_scale import LossScale

_CONFIG = BertConfig(
  vocab_size=20,
  hidden_size=8,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=16,
  max_position_embeddings=8,
  type_vocab_size=2,
)
# Ops that may pass on values of reduced precision between products.
_MOVES = {'Cast', 'Reshape', 'Shape', 'Transpose'}
_PRODUCTS = {
  'MatMul',
  'BatchMatMul',
  'BatchMatMulV2',
  'BatchMatMulV3',
  'Einsum',
}


def _batch():
  rng = np.random.default_rng(0)
  return {
    'input_ids': tf.constant(rng.integers(0, 20, [4, 8])),
    'input_mask': tf.ones([4, 8], tf.int32),
    'segment_ids': tf.constant(rng.integers(0, 2, [4, 8])),
    'masked_lm_positions': tf.constant(rng.integers(0, 8, [4, 3])),
    'masked_lm_ids': tf.constant(rng.integers(0, 20, [4, 3])),
    'masked_lm_weights': tf.ones([4, 3]),
    'next_sentence_labels': tf.constant(rng.integers(0, 2, [4])),
    'masked_lm_denominator': tf.constant(12.0),
    'example_denominator': tf.constant(4.0),
  }


def _step(precision):
  """Returns the traced loss and gradients of a pre-training step."""
  model = PreTrainer(_CONFIG, precision)
  loss_function = pretraining.make_loss_function(model)
  zero = tf.constant(0, tf.int64)

  @tf.function
  def step(batch):
    with tf.GradientTape() as tape:
      losses = loss_function(batch, DropoutKey(7, zero, zero))
    variables = model.trainable_variables
    gradients = tape.gradient(losses['loss'], variables)
    return losses, [tf.convert_to_tensor(x) for x in gradients]

  return step.get_concrete_function(_batch())


def _dtypes(op):
  return {x.dtype for x in (*op.inputs, *op.outputs) if x.dtype.is_floating}


@pytest.mark.slow
@pytest.mark.parametrize('precision', [tf.bfloat16, tf.float16])
def test_only_matrix_products_are_reduced(precision):
  ops = _step(precision.name).graph.get_operations()
  products = [op for op in ops if op.type in _PRODUCTS]
  kept = [op for op in products if _dtypes(op) == {tf.float32}]
  # Forward: in each layer 6 dense layers and 2 products of attention; the
  # pooler, and the masked LM's transform and logits. Each has two backward.
  assert len(products) - len(kept) == 3 * (2 * 8 + 3)
  for op in products:
    assert op in kept or _dtypes(op) == {precision}, op.name
  # The look-up of segments, the next-sentence head, and a sum over rows.
  scopes = {'embeddings', 'output_head', 'bias_gradient'}
  for op in kept:
    assert scopes & set(op.name.split('/')), op.name
  others = {
    op.type
    for op in ops
    if op.type not in _PRODUCTS and precision in _dtypes(op)
  }
  assert others <= _MOVES, others - _MOVES
  for kind in ('Softmax', 'Rsqrt', 'Tanh', 'BiasAdd', 'GatherV2', 'AddN'):
    found = [_dtypes(op) for op in ops if op.type == kind]
    assert found and set.union(*found) == {tf.float32}, kind


@pytest.mark.slow
def test_reduced_losses_and_gradients_are_near():
  losses, gradients = _step('float32')(_batch())
  for precision in ('bfloat16', 'float16'):
    near, reduced = _step(precision)(_batch())
    for name, loss in losses.items():
      assert near[name].dtype == tf.float32
      np.testing.assert_allclose(near[name], loss, rtol=2e-3, err_msg=name)
    # They have been rounded.
    assert float(near['masked_lm_loss']) != float(losses['masked_lm_loss'])
    for x, y in zip(reduced, gradients, strict=True):
      assert x.dtype == tf.float32
      np.testing.assert_allclose(x, y, atol=0.02)


def test_the_loss_scale_follows_that_of_keras():
  ours = LossScale(growth_steps=3)
  theirs = tf_keras.mixed_precision.LossScaleOptimizer(
    tf_keras.optimizers.legacy.SGD(0.1), dynamic_growth_steps=3
  )
  variable = tf.Variable(1.0)
  seen = []
  for is_finite in [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, *[0] * 20, 1]:
    ours.update(tf.constant(bool(is_finite)))
    gradient = tf.constant(0.5 if is_finite else np.inf)
    theirs.apply_gradients([(gradient, variable)])
    assert float(ours.value) == float(theirs.loss_scale)
    seen.append(float(ours.value))
  assert seen[2] == 2.0**16 and seen[4] == 2.0**15 and seen[-1] == 1.0
  assert int(ours.skipped_steps) == 21


def test_the_loss_scale_stays_finite():
  scale = LossScale(growth_steps=1)
  scale.value.assign(2.0**126)
  for _ in range(3):
    scale.update(tf.constant(True))
  assert float(scale.value) == 2.0**127
