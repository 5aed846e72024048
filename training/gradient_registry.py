"""Frees graphs that have gradients of their own."""

import contextlib
import gc
from collections.abc import Iterator

# TensorFlow has no public way to take a gradient back.
from tensorflow.python.framework import ops


@contextlib.contextmanager
def forgotten() -> Iterator[None]:
  """At its end frees the graphs, and their weights, that were made within.

  `tf.custom_gradient` in a graph registers the gradient under a name of its
  own, for as long as the process lives. It refers to the graph, which refers to
  the variables that it reads. Nothing may be differentiated afterwards that was
  computed within.
  """
  registered = ops.gradient_registry._registry
  before = {*registered}
  try:
    yield
  finally:
    for name in {*registered} - before:
      if name.startswith('CustomGradient-'):
        del registered[name]
    # A model and its graphs refer to each other: only this frees them.
    gc.collect()
