"""Graphs with gradients of their own do not outlive their run."""

import weakref

import tensorflow as tf

from modeling import custom_gradients
from training import gradient_registry


def _graph_with_a_gradient():
  @tf.function
  def gradient(x):
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = custom_gradients.wide_linear(x, tf.ones([2, 3]), tf.zeros([3]))
    return tape.gradient(y, x)

  x = tf.ones([1, 2])
  assert gradient(x).numpy().tolist() == [[3.0, 3.0]]
  return weakref.ref(gradient.get_concrete_function(x).graph)


def test_what_was_made_within_is_freed_and_nothing_else():
  older = _graph_with_a_gradient()
  with gradient_registry.forgotten():
    graph = _graph_with_a_gradient()
  assert graph() is None
  assert older() is not None  # Its gradient may still be asked for.
