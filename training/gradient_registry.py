"""Frees the graphs that TensorFlow's registry of custom gradients keeps."""

import contextlib
import gc
from collections.abc import Iterator

# TensorFlow has no public way to unregister a gradient.
from tensorflow.python.framework import ops


@contextlib.contextmanager
def freeing_graphs() -> Iterator[None]:
  """Frees, when the block ends, the graphs and weights made in it.

  `tf.custom_gradient` in a graph registers its gradient under a new name, for
  the life of the process. The gradient refers to the graph, which refers to the
  variables that it reads. After the block, nothing that was computed in it can
  be differentiated.
  """
  registered = ops.gradient_registry._registry
  before = {*registered}
  try:
    yield
  finally:
    for name in {*registered} - before:
      if name.startswith('CustomGradient-'):
        del registered[name]
    # A model and its graphs refer to each other, so reference counts alone do
    # not free them.
    gc.collect()
