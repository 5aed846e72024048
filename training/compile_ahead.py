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


class StepCompiler:
  """Compiles a step for batches of given shapes; changes no variable."""

  def __init__(
    self,
    step: Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]],
    element_spec: Mapping[str, tf.TensorSpec],
  ):
    """Traces the step.

    XLA keeps a program under the step's name, in which TensorFlow counts what
    the process has made. So trace the step before anything that differs
    between two starts of a command, such as restoring a checkpoint.

    Args:
      step: a function that XLA compiles, without a strategy.
      element_spec: the batch's fields; some dimensions are unknown.
    """
    self._element_spec = element_spec
    # The programs belong to calls in a graph; a direct call has its own ones.
    call = tf.function(step, input_signature=[element_spec], autograph=False)
    self._graph = call.get_concrete_function()

  def compile(
    self,
    signatures: Sequence[Mapping[str, tf.TensorSpec]],
    is_done: Callable[[Mapping[str, tf.TensorSpec]], None] = lambda _: None,
  ) -> None:
    """Compiles the step for several shapes at once.

    Args:
      signatures: the batch's fields with the shapes to compile.
      is_done: called with each signature once it is compiled, by any thread.
    """
    num_threads = min(_MAX_THREADS, threads.num_cores())

    def run(signature: Mapping[str, tf.TensorSpec]) -> None:
      self._run(signature)
      is_done(signature)

    with ThreadPoolExecutor(num_threads) as pool:
      list(pool.map(run, signatures))

  def _run(self, signature: Mapping[str, tf.TensorSpec]) -> None:
    # If the memory is too small for a second set of variables, the first real
    # step compiles.
    with contextlib.suppress(tf.errors.ResourceExhaustedError):
      batch = {
        name: tf.zeros(signature[name].shape, spec.dtype)
        for name, spec in self._element_spec.items()
      }
      copies = [_copy(tensor) for tensor in self._graph.captured_inputs]
      handles = [getattr(copy, 'handle', copy) for copy in copies]
      tf.raw_ops.StatefulPartitionedCall(
        args=[*tf.nest.flatten(batch), *handles],
        Tout=[output.dtype for output in self._graph.outputs],
        f=self._graph,
      )


def _copy(tensor: tf.Tensor) -> tf.Variable | tf.Tensor:
  """Returns a variable of zeros for a variable's handle, else the tensor."""
  if tensor.dtype != tf.resource:
    return tensor
  # TensorFlow has no public way from a handle to its shape.
  [part] = tensor._handle_data.shape_and_type
  with tf.device(tensor.device):
    zeros = tf.zeros(tf.TensorShape(part.shape), tf.as_dtype(part.dtype))
    return tf.Variable(zeros, trainable=False)
