"""A replica's step as one XLA program, checked and exported without a TPU.

On a TPU every replica runs its step as one program, which XLA compiles for each
batch shape. All shapes in it must therefore be static, and each op must have an
XLA kernel. `StepProgram` checks both on a machine without a TPU, and exports
the program for another compiler.
"""

from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.framework import kernels

# TensorFlow without a TPU registers no TPU kernels. In tensorflow-tpu 2.20.0
# with libtpu 0.0.20 each of the 537 ops that have a kernel of this kind also
# has one for TPUs.
_XLA = 'XLA_CPU_JIT'
# XLA computes this op, a function of shapes only, when it compiles.
_FOLDED = 'BroadcastGradientArgs'
# A function's arguments and results, which need no kernel.
_ARGUMENTS_AND_RESULTS = ('Placeholder', '_Arg', '_Retval')

Step = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]


class StepProgram:
  """The program of one of R replicas, for batches of one shape."""

  def __init__(
    self, step: Step, signature: Mapping[str, tf.TensorSpec], num_replicas: int
  ):
    """Traces the step.

    Args:
      step: maps a batch to the step's results. Its variables must exist.
      signature: the batch's fields, with static shapes.
      num_replicas: R. The step's sums over replicas become XLA's own op, as on
        R devices.
    """

    def run(*values):
      with _ReplicaContext(num_replicas):
        return step(dict(zip(signature, values, strict=True)))

    self._signature = tuple(signature.values())
    self._function = tf.function(run, jit_compile=True, autograph=False)
    traced = self._function.get_concrete_function(*self._signature)
    self._graph = traced.graph.as_graph_def(add_shapes=True)

  def export(self) -> bytes:
    """Returns the program as serialized StableHLO.

    The program's arguments are the batch's fields, then the variables. Its
    results are the step's, then the variables that it changes.
    """
    ir = self._function.experimental_get_compiler_ir(*self._signature)
    return ir(stage='stablehlo_serialized', platform_name='CPU')

  def unknown_shapes(self) -> list[str]:
    """Returns the names of the nodes with a result of unknown shape."""
    return sorted(
      node.name
      for node in self._nodes()
      if node.op != _FOLDED
      for shape in node.attr['_output_shapes'].list.shape
      if not tf.TensorShape(shape).is_fully_defined()
    )

  def ops_without_kernel(self) -> list[str]:
    """Returns the types of the ops that XLA cannot compile."""
    _register_xla()
    ops = {node.op for node in self._nodes()}
    return sorted(
      op for op in ops.difference(_ARGUMENTS_AND_RESULTS) if not _has_kernel(op)
    )

  def _nodes(self) -> Iterator:
    """Yields every node, including those of functions such as loop bodies."""
    yield from self._graph.node
    for function in self._graph.library.function:
      yield from function.node_def


class _ReplicaContext(tf.distribute.ReplicaContext):
  """The context of one replica of a job whose other replicas do not run."""

  def __init__(self, num_replicas: int):
    super().__init__(tf.distribute.get_strategy(), replica_id_in_sync_group=0)
    self._group = [list(range(num_replicas))]

  def all_reduce(self, reduce_op, value, options=None):
    """Sums each tensor over the replicas separately, as TPUStrategy does."""
    if reduce_op != tf.distribute.ReduceOp.SUM:
      raise NotImplementedError(f'{reduce_op} over the replicas')
    return tf.nest.map_structure(self._sum, value)

  def _sum(self, value: tf.Tensor) -> tf.Tensor:
    return gen_xla_ops.xla_all_reduce(
      value, self._group, reduce_op='Add', mode='CrossReplica'
    )


def _has_kernel(op: str) -> bool:
  found = kernels.get_registered_kernels_for_op(op).kernel
  return any(kernel.device_type == _XLA for kernel in found)


def _register_xla() -> None:
  """Makes TensorFlow register XLA's kernels, by compiling a function."""
  negate = tf.function(lambda x: -x, jit_compile=True)
  negate.experimental_get_compiler_ir(0.0)(stage='hlo', platform_name='CPU')
