"""Compiles a step for several batch lengths at once, before the first batch.

XLA compiles a step when it first meets a shape, for ten seconds or more on a
GPU, one shape after another. This module runs the step on a batch of zeros of
each length, in threads, with its own copies of the variables. The real steps
then find the programs.

Tested by `tests/training/compile_ahead_test.py`.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from system import threads

# Each thread needs memory for the variables and for one batch.
_MAX_THREADS = 4


def compile_ahead(
  step: Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]],
  element_spec: Mapping[str, tf.TensorSpec],
  signatures: Sequence[Mapping[str, tf.TensorSpec]],
) -> None:
  """Compiles a step; changes no variable.

  Args:
    step: a function that XLA compiles, without a strategy.
    element_spec: the batch's fields; some dimensions are unknown.
    signatures: the batch's fields with the shapes to compile.
  """
  # The programs belong to calls in a graph; a direct call has its own ones.
  call = tf.function(step, input_signature=[element_spec], autograph=False)
  graph = call.get_concrete_function()

  def run(signature: Mapping[str, tf.TensorSpec]) -> None:
    # A call that lacks memory is compiled all the same. Without memory for its
    # arguments the real step, which has all memory for itself, is compiled.
    with contextlib.suppress(tf.errors.ResourceExhaustedError):
      batch = {
        name: tf.zeros(signature[name].shape, spec.dtype)
        for name, spec in element_spec.items()
      }
      copies = [_copy(tensor) for tensor in graph.captured_inputs]
      handles = [getattr(copy, 'handle', copy) for copy in copies]
      tf.raw_ops.StatefulPartitionedCall(
        args=[*tf.nest.flatten(batch), *handles],
        Tout=[output.dtype for output in graph.outputs],
        f=graph,
      )

  num_threads = min(_MAX_THREADS, threads.num_cores())
  with ThreadPoolExecutor(num_threads) as pool:
    list(pool.map(run, signatures))


def _copy(tensor: tf.Tensor) -> tf.Variable | tf.Tensor:
  """Returns a variable of zeros for a variable's handle, else the tensor."""
  if tensor.dtype != tf.resource:
    return tensor
  # TensorFlow has no public way from a handle to its shape.
  [part] = tensor._handle_data.shape_and_type
  with tf.device(tensor.device):
    zeros = tf.zeros(tf.TensorShape(part.shape), tf.as_dtype(part.dtype))
    return tf.Variable(zeros, trainable=False)
