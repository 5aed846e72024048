"""A replica's step as one XLA program: what is in it, and how to compile it.

On a TPU every replica runs its step as one program, which XLA compiles for each
shape of batches that comes. So all shapes in it must be known, and each of its
ops must have an XLA kernel. Both can be seen, and the program can be exported
for another compiler, on a machine that has no TPU.
"""

from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.framework import kernels

# TensorFlow without a TPU knows no kernels for TPUs. In tensorflow-tpu 2.20.0
# with libtpu 0.0.20 each of the 537 ops that have this one have one for TPUs.
_XLA = 'XLA_CPU_JIT'
# A function of shapes alone, which XLA computes when it compiles.
_FOLDED = 'BroadcastGradientArgs'
# What a function takes and gives back; no kernel runs.
_ENDS = ('Placeholder', '_Arg', '_Retval')

Step = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]


class StepProgram:
  """What one of R replicas computes for batches of one shape."""

  def __init__(
    self, step: Step, signature: Mapping[str, tf.TensorSpec], num_replicas: int
  ):
    """Traces the step.

    Args:
      step: batch → result. Its variables exist already.
      signature: of the batch, all shapes known.
      num_replicas: R; where the step sums over the replicas, it does so by
        XLA's own op, as it would on R devices.
    """

    def run(*values):
      with _OneOfSeveral(num_replicas):
        return step(dict(zip(signature, values, strict=True)))

    self._signature = tuple(signature.values())
    self._function = tf.function(run, jit_compile=True, autograph=False)
    traced = self._function.get_concrete_function(*self._signature)
    self._graph = traced.graph.as_graph_def(add_shapes=True)

  def export(self) -> bytes:
    """Returns the program as serialized StableHLO.

    Its arguments are the batch's fields, then the variables; its results are
    the step's, then the variables that it changes.
    """
    ir = self._function.experimental_get_compiler_ir(*self._signature)
    return ir(stage='stablehlo_serialized', platform_name='CPU')

  def unknown_shapes(self) -> list[str]:
    """Returns the names of the nodes one of whose results has no full shape."""
    return sorted(
      node.name
      for node in self._nodes()
      if node.op != _FOLDED
      for shape in node.attr['_output_shapes'].list.shape
      if not tf.TensorShape(shape).is_fully_defined()
    )

  def ops_without_kernel(self) -> list[str]:
    """Returns the names of the ops that XLA cannot compile."""
    _register_xla()
    ops = {node.op for node in self._nodes()}
    return sorted(op for op in ops.difference(_ENDS) if not _has_kernel(op))

  def _nodes(self) -> Iterator:
    """Yields every node, those of functions, such as loops' bodies, too."""
    yield from self._graph.node
    for function in self._graph.library.function:
      yield from function.node_def


class _OneOfSeveral(tf.distribute.ReplicaContext):
  """A replica's view of a job whose other replicas are not there."""

  def __init__(self, num_replicas: int):
    super().__init__(tf.distribute.get_strategy(), replica_id_in_sync_group=0)
    self._group = [list(range(num_replicas))]

  def all_reduce(self, reduce_op, value, options=None):
    """Sums over the replicas, as TPUStrategy does: each tensor by itself."""
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
  """Has TensorFlow register XLA's kernels, which it does when it needs one."""
  negate = tf.function(lambda x: -x, jit_compile=True)
  negate.experimental_get_compiler_ir(0.0)(stage='hlo', platform_name='CPU')
