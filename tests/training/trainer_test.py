"""One training step: micro-batches, frozen variables, and memory."""

import numpy as np
import tensorflow as tf

from modeling.dropout import DropoutKey
from training.optimization import AdamW
from training.trainer import Trainer, cut_rows


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


def _recorded(events, layer):
  """Returns an identity that records when its two passes run."""

  def record(direction):
    def append(x):
      events.append((direction, layer))
      return x

    return lambda x: tf.ensure_shape(
      tf.numpy_function(append, [x], tf.float32), x.shape
    )

  @tf.custom_gradient
  def identity(x):
    return record('forward')(x), record('backward')

  return identity


def _trainer(kernels, num_micro_batches=1, trained=None, events=()):
  """Trains a chain of square matrices; the first one is next to the input."""

  def loss_function(batch, dropout):
    x = tf.cast(batch['input_ids'], tf.float32)
    for layer, kernel in enumerate(kernels):
      x = _recorded(events, layer)(tf.tanh(tf.matmul(x, kernel)))
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


def test_the_loop_is_traced_once(monkeypatch):
  traces = []
  compute = Trainer._compute_gradients

  def counted(self, batch):
    traces.append(batch)
    return compute(self, batch)

  monkeypatch.setattr(Trainer, '_compute_gradients', counted)
  trainer = _trainer(_kernels(1), events=[])
  trainer.train(tf.constant(2))
  trainer.train(tf.constant(3))
  assert trainer.optimizer.step.numpy() == 5
  assert len(traces) == 1


def _kernels(count):
  rng = np.random.default_rng(0)
  return [
    tf.Variable(rng.normal(scale=0.1, size=[64, 64]), dtype=tf.float32)
    for _ in range(count)
  ]


_FORWARD = [('forward', layer) for layer in range(3)]
_BACKWARD = [('backward', layer) for layer in (2, 1, 0)]


def test_a_step_runs_forward_and_backward_through_all_trained_layers():
  events = []
  _trainer(_kernels(3), events=events).train(tf.constant(2))
  assert events == 2 * (_FORWARD + _BACKWARD)


def test_nothing_is_differentiated_below_the_lowest_trained_variable():
  kernels, events = _kernels(3), []
  before = [kernel.numpy() for kernel in kernels]
  _trainer(kernels, trained=kernels[2:], events=events).train(tf.constant(1))
  assert events == [*_FORWARD, ('backward', 2)]
  for kernel, value in zip(kernels[:2], before, strict=False):
    np.testing.assert_array_equal(kernel, value)
  assert np.all(kernels[2].numpy() != before[2])


def test_a_micro_batch_is_differentiated_before_the_next_one_begins():
  # So the activations of one micro-batch are in memory at a time.
  kernels, events = _kernels(3), []
  _trainer(kernels, num_micro_batches=4, events=events).train(tf.constant(1))
  assert events == 4 * (_FORWARD + _BACKWARD)
  whole = _kernels(3)
  _trainer(whole, events=[]).train(tf.constant(1))
  for ours, theirs in zip(kernels, whole, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
