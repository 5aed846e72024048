"""Tests of modeling/custom_gradients.py against the plain formulas."""

import numpy as np
import pytest
import tensorflow as tf

from modeling import custom_gradients


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
  recomputed = custom_gradients.recomputed(_gelu)
  ours, plain = (
    _value_and_gradients(f, x) for f in (tf.function(recomputed), _gelu)
  )
  np.testing.assert_allclose(ours[0], plain[0], atol=1e-6)
  np.testing.assert_allclose(ours[1][0], plain[1][0], rtol=1e-5, atol=1e-5)


def test_a_recomputed_function_takes_any_number_of_rows():
  @tf.function(input_signature=[tf.TensorSpec([None, 3])])
  def run(x):
    return custom_gradients.recomputed(_gelu)(x)

  for rows in (1, 4):
    x = tf.random.stateless_normal([rows, 3], seed=[1, rows])
    np.testing.assert_allclose(run(x), _gelu(x), atol=1e-6)


def _linear_arguments():
  return [
    tf.random.stateless_normal(shape, seed=[3, len(shape)])
    for shape in ([5, 4], [4, 6], [6])
  ]


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
def test_wide_linear_has_the_gradients_of_the_formula(dtype):
  def plain(x, kernel, bias):
    x, kernel = tf.cast(x, dtype), tf.cast(kernel, dtype)
    return tf.cast(tf.matmul(x, kernel), tf.float32) + bias

  def wide(*arguments):
    return custom_gradients.wide_linear(*arguments, dtype)

  ours, expected = (
    _value_and_gradients(f, *_linear_arguments())
    for f in (tf.function(wide), plain)
  )
  # bfloat16 has 8 significant bits, and the order of summation differs.
  tolerance = {'float32': 1e-5, 'bfloat16': 2e-2, 'float16': 2e-3}[dtype]
  np.testing.assert_allclose(ours[0], expected[0], rtol=tolerance, atol=1e-6)
  for our, formula in zip(ours[1], expected[1], strict=True):
    assert our.dtype == tf.float32
    np.testing.assert_allclose(our, formula, rtol=tolerance, atol=1e-4)


def test_wide_linear_with_a_frozen_kernel_and_any_number_of_rows():
  x, kernel, bias = _linear_arguments()

  @tf.function(input_signature=[tf.TensorSpec([None, 4])])
  def gradient(x):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(x)
      y = custom_gradients.wide_linear(x, kernel, bias)
    return tape.gradient(y, x)

  sums = tf.reduce_sum(kernel, axis=1)  # d sum(x kernel + bias) / dx
  for rows in (1, 5):
    np.testing.assert_allclose(
      gradient(x[:rows]), [sums] * rows, rtol=1e-5, atol=1e-6
    )


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
  ids = tf.constant([0, 6, 3, 3, 1])  # The id 3 appears twice.
  ours, plain = (
    _value_and_gradients(f, x, table, bias)
    for f in (
      lambda *arguments: custom_gradients.tied_cross_entropy(*arguments, ids),
      _plain_cross_entropy(ids),
    )
  )
  np.testing.assert_allclose(ours[0], plain[0], rtol=1e-5)
  for our, expected in zip(ours[1], plain[1], strict=True):
    np.testing.assert_allclose(our, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_rounding_keeps_the_small_gradient_of_a_good_prediction(dtype):
  # p of the right token is 0.9933, so p - y is 100 times smaller than p.
  x = tf.constant([[2.25, 0.0, 0.0]])
  table = tf.constant([[2.25, 1.0, -1.0], [0.03125, 3.0, 1.0]])
  ids = tf.constant([0])
  ours, plain = (
    _value_and_gradients(f, x, table, tf.zeros([2]))
    for f in (
      lambda *arguments: custom_gradients.tied_cross_entropy(
        *arguments, ids, dtype
      ),
      _plain_cross_entropy(ids),
    )
  )
  for our, expected in zip(ours[1], plain[1], strict=True):
    np.testing.assert_allclose(our, expected, rtol=0.01)


@pytest.mark.parametrize('scale', [50.0, 1e4])
def test_tied_cross_entropy_of_large_logits_is_finite(scale):
  x, table = tf.constant([[scale]]), tf.constant([[1.0], [-1.0], [0.0]])
  nats, gradients = _value_and_gradients(
    lambda *arguments: custom_gradients.tied_cross_entropy(
      *arguments, tf.constant([1])
    ),
    x,
    table,
    tf.zeros([3]),
  )
  # The logits are scale, -scale and 0; the id is that of the second.
  np.testing.assert_allclose(nats, [2 * scale])
  np.testing.assert_allclose(gradients[0], [[2.0]])
  np.testing.assert_allclose(gradients[2], [1.0, -1.0, 0.0], atol=1e-6)
