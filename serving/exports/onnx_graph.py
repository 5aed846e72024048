"""Builds an ONNX graph node by node.

Tested by `tests/serving/exports/onnx_format_test.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# The first with LayerNormalization.
_OPSET = 17
_IR_VERSION = 8
_PRODUCER = 'well-read-bert'


class Graph:
  """A graph under construction; methods return the names of values."""

  def __init__(self):
    self._nodes: list[onnx.NodeProto] = []
    self._tensors: dict[str, onnx.TensorProto] = {}
    self._shapes: list[onnx.ValueInfoProto] = []

  def op(self, kind: str, *inputs: str, name: str, **attributes: Any) -> str:
    """Adds a node with one output, which gets the node's name.

    Args:
      kind: the operator.
      *inputs: names of values.
      name: different for each node.
      **attributes: the operator's.
    """
    node = helper.make_node(kind, list(inputs), [name], name, **attributes)
    self._nodes.append(node)
    return name

  def tensor(self, name: str, value: np.ndarray) -> str:
    """Adds a constant tensor, once for each name."""
    if name not in self._tensors:
      array = np.asarray(value, order='C')
      self._tensors[name] = numpy_helper.from_array(array, name)
    return name

  def scalar(self, value: float, name: str) -> str:
    """Adds a float32 scalar."""
    return self.tensor(name, np.float32(value))

  def ints(self, *values: int, name: str) -> str:
    """Adds an int64 vector."""
    return self.tensor(name, np.array(values, np.int64))

  def declare_shape(self, name: str, dims: Sequence[str | int]) -> None:
    """States a float32 value's shape, where inference would not find it."""
    self._shapes.append(_float_info(name, dims))

  def model(
    self,
    inputs: Sequence[str],
    outputs: Mapping[str, Sequence[str | int]],
    metadata: Mapping[str, str],
  ) -> onnx.ModelProto:
    """Returns the whole model, checked by ONNX's own rules.

    Args:
      inputs: names of int64 inputs [batch, sequence].
      outputs: the name of a float32 value → its shape; a text names a
        dimension that varies.
      metadata: texts by name, stored in the model.
    """
    shape = ['batch', 'sequence']
    graph = helper.make_graph(
      self._nodes,
      'bert',
      [
        helper.make_tensor_value_info(x, TensorProto.INT64, shape)
        for x in inputs
      ],
      [_float_info(x, dims) for x, dims in outputs.items()],
      list(self._tensors.values()),
      value_info=self._shapes,
    )
    model = helper.make_model(
      graph,
      producer_name=_PRODUCER,
      opset_imports=[helper.make_opsetid('', _OPSET)],
      ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def _float_info(name: str, dims: Sequence[str | int]) -> onnx.ValueInfoProto:
  return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))
