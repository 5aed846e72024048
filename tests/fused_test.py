"""Functions with gradients of their own: against what their formulas say."""

import numpy as np
import pytest
import tensorflow as tf

from modeling import fused


def _gelu(x):
  return tf.nn.gelu(x, approximate=True)


def _value_and_gradients(function, *arguments):
  with tf.GradientTape() as tape:
    tape.watch(arguments)
    value = function(*arguments)
    weights = tf.range(1.0, 1.0 + tf.size(value, tf.float32))
    total = tf.reduce_sum(value * tf.reshape(weights, value.shape))
  return value, tape.gradient(total, arguments)


def test_a_recomputed_function_has_the_value_and_gradient_of_the_plain_one():
  x = tf.linspace(-6.0, 6.0, 40)
  recomputed = fused.recomputed(_gelu)
  ours, plain = (
    _value_and_gradients(f, x) for f in (tf.function(recomputed), _gelu)
  )
  np.testing.assert_allclose(ours[0], plain[0], atol=1e-6)
  np.testing.assert_allclose(ours[1][0], plain[1][0], rtol=1e-5, atol=1e-5)


def test_a_recomputed_function_takes_any_number_of_rows():
  @tf.function(input_signature=[tf.TensorSpec([None, 3])])
  def run(x):
    return fused.recomputed(_gelu)(x)

  for rows in (1, 4):
    x = tf.random.stateless_normal([rows, 3], seed=[1, rows])
    np.testing.assert_allclose(run(x), _gelu(x), atol=1e-6)


@pytest.mark.parametrize('shape', [[4, 6], [6, 4]])
def test_linear_has_the_gradients_of_the_formula(shape):
  x, kernel, bias = (
    tf.random.stateless_normal(size, seed=[3, size[0]])
    for size in ([5, shape[0]], shape, shape[1:])
  )
  ours, plain = (
    _value_and_gradients(f, x, kernel, bias)
    for f in (
      tf.function(fused.linear),
      lambda x, kernel, bias: tf.matmul(x, kernel) + bias,
    )
  )
  np.testing.assert_allclose(ours[0], plain[0], rtol=1e-5, atol=1e-6)
  for our, expected in zip(ours[1], plain[1], strict=True):
    np.testing.assert_allclose(our, expected, rtol=1e-5, atol=1e-5)


def _plain_cross_entropy(ids):
  def nats(x, table, bias):
    logits = tf.matmul(x, table, transpose_b=True) + bias
    return tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)

  return nats


def test_tied_cross_entropy_has_the_gradients_of_the_formula():
  x, table, bias = (
    tf.random.stateless_normal(shape, seed=[2, len(shape)])
    for shape in ([5, 4], [7, 4], [7])
  )
  ids = tf.constant([0, 6, 3, 3, 1])  # One of them twice.
  ours, plain = (
    _value_and_gradients(f, x, table, bias)
    for f in (
      lambda *arguments: fused.tied_cross_entropy(*arguments, ids),
      _plain_cross_entropy(ids),
    )
  )
  np.testing.assert_allclose(ours[0], plain[0], rtol=1e-5)
  for our, expected in zip(ours[1], plain[1], strict=True):
    np.testing.assert_allclose(our, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('scale', [50.0, 1e4])
def test_tied_cross_entropy_of_large_logits_is_finite(scale):
  x, table = tf.constant([[scale]]), tf.constant([[1.0], [-1.0], [0.0]])
  nats, gradients = _value_and_gradients(
    lambda *arguments: fused.tied_cross_entropy(*arguments, tf.constant([1])),
    x,
    table,
    tf.zeros([3]),
  )
  # The logits are scale, -scale and 0; the second is the wrong one.
  np.testing.assert_allclose(nats, [2 * scale])
  np.testing.assert_allclose(gradients[0], [[2.0]])
  np.testing.assert_allclose(gradients[2], [1.0, -1.0, 0.0], atol=1e-6)
