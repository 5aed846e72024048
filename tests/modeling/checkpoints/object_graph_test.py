"""Tests for modeling/checkpoints/object_graph.py, against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import object_graph, tensor_bundle
from modeling.checkpoints.object_graph import ObjectGraph
from system.errors import UserError

_VARIABLES = {
  'encoder/layers/0/kernel': np.array([[1.0, 2.0]], np.float32),
  'encoder/layers/0/bias': np.array([3.0, 4.0], np.float32),
  'head.dense/kernel': np.array([5.0], np.float32),
}
_ALIASES = {'model/network': 'encoder', 'model/tied': 'encoder/layers/0/bias'}


def _object(**children):
  """Returns an object with attributes, as TensorFlow saves them."""
  return tf.train.Checkpoint(**children)


@pytest.fixture
def prefix(tmp_path):
  """Writes the variables; returns the checkpoint's prefix."""
  object_graph.write(str(tmp_path / 'ckpt'), _VARIABLES, _ALIASES)
  return str(tmp_path / 'ckpt')


def test_tensorflow_restores_what_is_written(prefix):
  kernel, bias = tf.Variable([[0.0, 0.0]]), tf.Variable([0.0, 0.0])
  head = tf.Variable([0.0])
  encoder = _object(layers=[_object(kernel=kernel, bias=bias)])
  root = _object(encoder=encoder, **{'head.dense': _object(kernel=head)})
  # `restore` also expects the number of saves.
  root.restore(prefix).assert_existing_objects_matched().assert_consumed()
  assert kernel.numpy().tolist() == [[1, 2]]
  assert bias.numpy().tolist() == [3, 4]
  assert head.numpy().tolist() == [5]
  assert int(root.save_counter) == 1


def test_tensorflow_restores_by_aliases(prefix):
  kernel, tied = tf.Variable([[0.0, 0.0]]), tf.Variable([0.0, 0.0])
  network = _object(layers=[_object(kernel=kernel)])
  status = _object(model=_object(network=network, tied=tied)).read(prefix)
  status.expect_partial().assert_existing_objects_matched()
  assert kernel.numpy().tolist() == [[1, 2]]
  assert tied.numpy().tolist() == [3, 4]


def test_the_same_values_give_the_same_bytes(prefix, tmp_path):
  object_graph.write(str(tmp_path / 'again'), _VARIABLES, _ALIASES)
  for suffix in ('.index', '.data-00000-of-00001'):
    first, second = (
      (tmp_path / f'{name}{suffix}').read_bytes() for name in ('ckpt', 'again')
    )
    assert first == second


def test_variables_are_found_by_all_paths(prefix):
  graph = ObjectGraph(prefix)
  key = graph.key('model/network/layers/0/kernel')
  assert key == 'encoder/layers/0/kernel/.ATTRIBUTES/VARIABLE_VALUE'
  assert graph.value(key).tolist() == [[1, 2]]
  assert graph.key('encoder/layers/0') is None  # An object, no variable.
  assert graph.key('encoder/layers/1/kernel') is None
  assert graph.find('model/network') == graph.find('encoder')


def test_variables_that_tensorflow_saves_are_found(tmp_path):
  optimizer = tf.Variable([7.0])
  step = tf.Variable(3, dtype=tf.int64)
  model = _object(layer=_object(kernel=tf.Variable([1.0])))
  root = _object(
    model=model, optimizer=_object(rate=optimizer), global_step=step
  )
  graph = ObjectGraph(root.save(str(tmp_path / 'ckpt')))
  assert graph.value(graph.key('model/layer/kernel')).tolist() == [1]
  # The state of training is left out.
  assert list(graph.variables()) == [
    'model/layer/kernel/.ATTRIBUTES/VARIABLE_VALUE'
  ]


def test_a_checkpoint_without_a_graph_is_refused(tmp_path):
  prefix = str(tmp_path / 'bert_model.ckpt')
  tensor_bundle.write(prefix, {'bert/pooler/dense/bias': np.zeros(2, 'f4')})
  with pytest.raises(UserError, match='is not a TensorFlow 2 checkpoint'):
    ObjectGraph(prefix)


def test_a_damaged_graph_is_refused(tmp_path):
  prefix = str(tmp_path / 'ckpt')
  tensor_bundle.write(
    prefix, {object_graph.GRAPH: np.array(b'\xff\xff\xff', object)}
  )
  with pytest.raises(UserError, match='its graph of objects is damaged'):
    ObjectGraph(prefix)
