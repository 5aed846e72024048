"""One training step: micro-batches, frozen variables, and memory."""

import numpy as np
import tensorflow as tf

from modeling.dropout import DropoutKey
from training.optimization import AdamW
from training.train_step import Trainer, cut_rows


def test_rows_are_cut_in_order_and_each_part_has_its_first_example():
  batch = {
    'input_ids': tf.reshape(tf.range(12), [6, 2]),
    'example_denominator': tf.constant(12.0),
    'first_example': tf.constant(6, tf.int64),
  }
  parts = cut_rows(batch, 3)
  assert parts['input_ids'].numpy().tolist() == [
    [[0, 1], [2, 3]],
    [[4, 5], [6, 7]],
    [[8, 9], [10, 11]],
  ]
  assert parts['example_denominator'].numpy().tolist() == [12, 12, 12]
  assert parts['first_example'].numpy().tolist() == [6, 8, 10]


def test_a_batch_of_static_size_is_cut_into_parts_of_static_size():
  @tf.function(input_signature=[tf.TensorSpec([6, None], tf.int32)])
  def shape_of_parts(ids):
    first = tf.constant(0, tf.int64)
    parts = cut_rows({'input_ids': ids, 'first_example': first}, 3)
    return tf.constant(str(parts['input_ids'].shape))

  assert shape_of_parts(tf.zeros([6, 4], tf.int32)) == b'(3, 2, None)'


def _trainer(kernels, num_micro_batches=1, trained=None):
  """Returns a trainer of a chain of square matrices, the input's first."""

  def loss_function(batch, dropout):
    x = tf.cast(batch['input_ids'], tf.float32)
    for kernel in kernels:
      x = tf.tanh(tf.matmul(x, kernel))
    return {'loss': tf.reduce_sum(x) / batch['example_denominator']}

  trained = trained or kernels
  optimizer = AdamW(trained, 0.1, 10, 0)
  row = tf.range(64) % 3
  element = {
    'input_ids': tf.tile(row[tf.newaxis], [32, 1]),
    'example_denominator': 32.0,
    'first_example': tf.constant(0, tf.int64),
  }
  trainer = Trainer(
    trained,
    optimizer,
    loss_function,
    DropoutKey(1, optimizer.step, 0),
    num_micro_batches,
  )
  trainer.train_dataset = tf.data.Dataset.from_tensors(element).repeat()
  return trainer


def _kernels(count):
  rng = np.random.default_rng(0)
  return [
    tf.Variable(rng.normal(scale=0.1, size=[64, 64]), dtype=tf.float32)
    for _ in range(count)
  ]


def _graph(trainer):
  iterator = iter(trainer.train_dataset)
  trainer.train_step(iterator)  # Makes the statistics' variable.
  step = tf.function(lambda: trainer.train_step(iterator))
  return step.get_concrete_function().graph


def _products(graph):
  return [op for op in graph.get_operations() if op.type == 'MatMul']


def test_nothing_is_differentiated_below_the_lowest_trained_variable():
  # 3 products forward and 2 per kernel backward, except for the input's
  # gradient.
  kernels = _kernels(3)
  assert len(_products(_graph(_trainer(kernels)))) == 3 + 5
  top = _trainer(kernels, trained=kernels[2:])
  assert len(_products(_graph(top))) == 3 + 1
  before = kernels[0].numpy(), kernels[2].numpy()
  top.train(tf.constant(1))
  np.testing.assert_array_equal(kernels[0], before[0])
  assert np.all(kernels[2].numpy() != before[1])


def test_micro_batches_run_in_a_loop_that_keeps_no_activations():
  trainer = _trainer(_kernels(3), num_micro_batches=16)
  graph = _graph(trainer)
  # The loop is not unrolled: all products are in its body, once.
  assert not _products(graph)
  (loop,) = (op for op in graph.get_operations() if 'While' in op.type)
  assert loop.get_attr('parallel_iterations') == 1
  body = graph._get_function(loop.get_attr('body').name).definition
  assert sum(node.op == 'MatMul' for node in body.node_def) == 3 + 5
  # It carries the sums of gradients, the list of losses and the batch, but no
  # lists of activations, which a differentiated loop would carry.
  lists = [x for x in loop.outputs if x.dtype == tf.variant]
  assert len(lists) == 1
  sums = [x for x in loop.outputs if x.shape == [64, 64]]
  assert len(sums) == 3
