"""AdamW and the learning rate, against values worked by hand."""

import numpy as np
import pytest
import tensorflow as tf

from modeling.optimization import AdamW, has_weight_decay, learning_rate_at


@pytest.mark.parametrize(
  ('step', 'expected'), [(0, 0.0), (1, 0.25), (4, 0.6), (9, 0.1), (12, 0.0)]
)
def test_the_learning_rate_rises_then_falls(step, expected):
  rate = learning_rate_at(tf.constant(step, tf.int64), 1.0, 10, 4)
  np.testing.assert_allclose(rate, expected, atol=1e-6)


def test_without_warm_up_the_first_step_has_the_peak_rate():
  assert float(learning_rate_at(tf.constant(0, tf.int64), 0.5, 10, 0)) == 0.5


def test_biases_and_layer_norms_do_not_decay():
  assert has_weight_decay('bert/pooler/dense/kernel:0')
  assert has_weight_decay('cls/seq_relationship/output_weights:0')
  assert not has_weight_decay('bert/pooler/dense/bias:0')
  assert not has_weight_decay('bert/embeddings/LayerNorm/gamma:0')
  assert not has_weight_decay('output_bias:0')


def _one_step(name, value, gradient, **options):
  variable = tf.Variable([value], name=name)
  optimizer = AdamW([variable], 0.1, 10, 0, **options)
  norm = optimizer.apply([tf.constant([gradient])])
  return float(variable[0]), float(norm)


def test_the_first_update_is_not_corrected_for_bias():
  # m = 0.1 * 0.5, v = 0.001 * 0.25: the update is 0.05 / 0.0158124. The kernel
  # takes 1 - beta_2 in float32, which is 1.3e-5 below 0.001.
  value, norm = _one_step('a/bias', 1.0, 0.5)
  np.testing.assert_allclose(value, 1.0 - 0.1 * 0.05 / 0.015812388, rtol=1e-5)
  assert norm == 0.5


def test_the_first_update_is_the_sign_of_the_gradient_when_corrected():
  value, _ = _one_step('a/bias', 1.0, 0.5, bias_correction=True)
  np.testing.assert_allclose(value, 1.0 - 0.1, rtol=1e-5)


def test_decay_is_decoupled_from_the_moments():
  decayed, _ = _one_step('a/kernel', 1.0, 0.5)
  plain, _ = _one_step('a/bias', 1.0, 0.5)
  np.testing.assert_allclose(plain - decayed, 0.1 * 0.01 * 1.0, rtol=1e-3)


def test_gradients_are_clipped_by_their_joint_norm():
  # The norm of (3, 4) is 5: they become (0.6, 0.8).
  clipped, small = (
    [tf.Variable([0.0], name=f'{name}/bias') for name in 'ab'] for _ in range(2)
  )
  AdamW(clipped, 0.1, 10, 0).apply([tf.constant([3.0]), tf.constant([4.0])])
  AdamW(small, 0.1, 10, 0).apply([tf.constant([0.6]), tf.constant([0.8])])
  np.testing.assert_allclose(clipped[0], small[0], rtol=1e-5)
  np.testing.assert_allclose(clipped[1], small[1], rtol=1e-5)


def test_a_variable_without_gradient_is_named():
  variable = tf.Variable([1.0], name='a/kernel')
  with pytest.raises(ValueError, match='no gradient for a/kernel'):
    AdamW([variable], 0.1, 10, 0).apply([None])
