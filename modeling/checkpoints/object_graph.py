"""The graph of objects in a TensorFlow 2 checkpoint.

Such a checkpoint is what `tf.train.Checkpoint.save` writes: variables under
arbitrary keys, and a message of trackable_object_graph.proto, whose nodes are
Python objects and whose edges are the names of their attributes. Node 0 is the
root. A path is the names of edges, joined by '/'.

Tested by `tests/modeling/checkpoints/object_graph_test.py`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from google.protobuf import message
from tensorflow.core.protobuf import trackable_object_graph_pb2

from modeling.checkpoints import tensor_bundle
from system.errors import UserError

_Proto = trackable_object_graph_pb2.TrackableObjectGraph

GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_VARIABLE = 'VARIABLE_VALUE'
# `tf.train.Checkpoint.save` counts its calls; `restore` expects the number.
_SAVE_COUNTER = 'save_counter'
_TRAINING = re.compile(
  rf'{GRAPH}|({_SAVE_COUNTER}|global_step)/\.ATTRIBUTES/.*|optimizer/.*'
  r'|.*/\.OPTIMIZER_SLOT/.*'
)


def write(
  prefix: str,
  variables: Mapping[str, np.ndarray],
  aliases: Mapping[str, str],
) -> None:
  """Writes a checkpoint. The same values give the same bytes.

  Args:
    prefix: see `tensor_bundle.write`.
    variables: path → values.
    aliases: path → another path to the same object, which is in `variables` or
      leads to one of them.

  Raises:
    UserError: the files cannot be written.
  """
  variables = {**variables, _SAVE_COUNTER: np.int64(1)}
  tensors = {_key(path): value for path, value in variables.items()}
  graph = _graph(variables, aliases)
  tensors[GRAPH] = np.array(graph.SerializeToString(deterministic=True), object)
  tensor_bundle.write(prefix, tensors)


def _key(path: str) -> str:
  return f'{path}/.ATTRIBUTES/{_VARIABLE}'


def _graph(variables: Iterable[str], aliases: Mapping[str, str]) -> _Proto:
  """Builds the graph: a tree of the paths, and an edge for each alias."""
  graph = _Proto()
  graph.nodes.add()
  numbers = {'': 0}

  def number_of(path: str) -> int:
    if path not in numbers:
      parent, _, name = path.rpartition('/')
      start = graph.nodes[number_of(parent)]
      numbers[path] = len(graph.nodes)
      start.children.add(node_id=numbers[path], local_name=name)
      graph.nodes.add()
    return numbers[path]

  for path in variables:
    graph.nodes[number_of(path)].attributes.add(
      name=_VARIABLE, full_name=path, checkpoint_key=_key(path)
    )
  for path, target in aliases.items():
    parent, _, name = path.rpartition('/')
    graph.nodes[number_of(parent)].children.add(
      node_id=numbers[target], local_name=name
    )
  return graph


class ObjectGraph:
  """Finds the variables of a checkpoint by paths.

  Args:
    prefix: the checkpoint's.

  Raises:
    UserError: there is no such checkpoint, it is damaged, or it has no graph
      of objects.
  """

  def __init__(self, prefix: str):
    with tensor_bundle.damage_explained(prefix):
      self._reader = tensor_bundle.open_reader(prefix)
      if not self._reader.has_tensor(GRAPH):
        raise UserError(
          f'{prefix} is not a TensorFlow 2 checkpoint: it has no graph of '
          f'objects ({GRAPH})'
        )
      content = self._reader.get_tensor(GRAPH)
    try:
      self._nodes = _Proto.FromString(content).nodes
    except message.DecodeError as error:
      raise UserError(f'{prefix}: its graph of objects is damaged') from error
    self._prefix = prefix

  def find(self, path: str) -> int | None:
    """Returns the number of the object at a path; None without it."""
    number = 0
    for edge in path.split('/'):
      if not 0 <= number < len(self._nodes):
        return None
      found = [
        child.node_id
        for child in self._nodes[number].children
        if child.local_name == edge
      ]
      if not found:
        return None
      number = found[0]
    return number

  def key(self, path: str) -> str | None:
    """Returns the key of the variable at a path; None without it."""
    number = self.find(path)
    if number is None or number >= len(self._nodes):
      return None
    attributes = self._nodes[number].attributes
    key = attributes[0].checkpoint_key if attributes else None
    return key if key and self._reader.has_tensor(key) else None

  def value(self, key: str) -> np.ndarray:
    """Returns a variable's values.

    Raises:
      UserError: the checkpoint is damaged.
    """
    with tensor_bundle.damage_explained(self._prefix):
      return self._reader.get_tensor(key)

  def variables(self) -> Iterator[str]:
    """Yields the keys of all variables but the state of a training run."""
    for key in sorted(self._reader.get_variable_to_shape_map()):
      if not _TRAINING.fullmatch(key):
        yield key
