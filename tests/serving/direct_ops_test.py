"""Tests `serving.direct_ops`."""

import numpy as np
import pytest
import tensorflow as tf

from serving import direct_ops as module
from serving.direct_ops import direct_ops


def test_restores_the_setting_after_an_error(monkeypatch):
  calls = []
  monkeypatch.setattr(module, '_SET', lambda _, value: calls.append(value))
  with pytest.raises(ValueError, match='inside'), direct_ops():
    assert calls == [False]
    raise ValueError('inside')
  assert calls == [False, True]


def test_a_tensorflow_without_the_setting_works(monkeypatch):
  monkeypatch.setattr(module, '_SET', None)
  with direct_ops():
    assert tf.constant(2.0).numpy() == 2.0


def test_results_are_the_same_up_to_the_last_digits():
  x = tf.random.stateless_normal([16, 40, 128], seed=(1, 2))
  usual = tf.nn.softmax(tf.matmul(x, x, transpose_b=True)).numpy()
  with direct_ops():
    direct = tf.nn.softmax(tf.matmul(x, x, transpose_b=True)).numpy()
  np.testing.assert_allclose(direct, usual, rtol=0, atol=1e-6)


def test_functions_and_gradients_work_inside():
  double = tf.function(lambda x: 2 * x)
  x = tf.Variable(3.0)
  with direct_ops(), tf.GradientTape() as tape:
    y = double(x) * x
  assert y.numpy() == 18.0
  assert tape.gradient(y, x).numpy() == 12.0
