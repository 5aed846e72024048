"""Tests of modeling/layers.py."""

import math

import numpy as np
import pytest
import tensorflow as tf

from modeling import layers

INIT = layers.WeightInit(stddev=0.02, seed=0)


def test_weights_have_exactly_the_given_names():
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


def test_initial_weights_without_a_seed_are_zeros():
  values = layers.WeightInit(0.02, None).normal('kernel')((3, 4))
  assert values.dtype == tf.float32
  assert values.numpy().tolist() == [[0.0] * 4] * 3


def test_dense_multiplies_and_adds_its_bias():
  dense = layers.Dense('a', (2, 3), INIT, 'float32')
  dense.kernel.assign([[1, 2, 3], [4, 5, 6]])
  dense.bias.assign([0.5, 0, -1])
  np.testing.assert_allclose(
    dense(tf.constant([[1.0, -1.0]])), [[-2.5, -3, -4]]
  )


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_reduced_precision_rounds_only_the_factors(dtype):
  # 1 + 2^-12 is 1 in both; the bias is not rounded.
  dense = layers.Dense('a', (1, 1), INIT, dtype)
  dense.kernel.assign([[1 + 2.0**-12]])
  dense.bias.assign([2.0**-12])
  assert float(dense(tf.ones([1, 1]))[0, 0]) == 1 + 2.0**-12
  assert {v.dtype for v in dense.weights} == {tf.float32}


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
  # Epsilon is 1e-12. With 1e-3 or 1e-6 the result would be near 0.
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
