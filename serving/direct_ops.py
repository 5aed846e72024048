"""Starts the kernels of single ops without a function around each.

Outside of a `tf.function`, TensorFlow wraps each kind of op in a function when
it first occurs, and optimises that function. One of the optimisations, oneDNN's
rewriting of layouts, searches the list of all kernels for every kind of op,
which takes much longer than starting the kernel. A first prediction has about
60 kinds of ops. Measured by `python -m benchmarks.first_answer`.

Tested by `tests/serving/direct_ops_test.py`.
"""

import contextlib
from collections.abc import Iterator

from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import context

# TensorFlow has no public name for this setting. A version that lacks it only
# starts more slowly.
_SET = getattr(pywrap_tfe, 'TFE_ContextSetRunEagerOpAsFunction', None)


@contextlib.contextmanager
def direct_ops() -> Iterator[None]:
  """Starts kernels directly as long as the block runs.

  Results may differ in the last digits. Afterwards each kind of op is wrapped
  when it next occurs. The setting is the process's: it holds for the ops of
  other threads, too, and the block that ends first ends it for all.
  """
  if _SET is None:
    yield
    return
  context.ensure_initialized()
  handle = context.context()._handle
  _SET(handle, False)
  try:
    yield
  finally:
    _SET(handle, True)
