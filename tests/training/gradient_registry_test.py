"""Graphs with custom gradients are freed when their run ends."""

import weakref

import pytest
import tensorflow as tf

from modeling import custom_gradients
from training import gradient_registry


def _graph_with_custom_gradient():
  """Returns a weak reference to a graph that registered a gradient."""

  @tf.function
  def gradient(x):
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = custom_gradients.wide_linear(x, tf.ones([2, 3]), tf.zeros([3]))
    return tape.gradient(y, x)

  x = tf.ones([1, 2])
  assert gradient(x).numpy().tolist() == [[3.0, 3.0]]
  return weakref.ref(gradient.get_concrete_function(x).graph)


@pytest.mark.slow
def test_only_the_graphs_of_the_block_are_freed():
  older = _graph_with_custom_gradient()
  with gradient_registry.freeing_graphs():
    graph = _graph_with_custom_gradient()
  assert graph() is None
  assert older() is not None  # Its gradient may still be computed.
