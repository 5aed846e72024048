"""Logits of a whole split, on one device and on two."""

import gc
import itertools
import threading
import types
import weakref

import numpy as np
import pytest
import replicas
import tensorflow as tf
import tiny_world

from data.records import memory_batches
from modeling.configs import BertConfig
from modeling.models import Classifier
from training import predictor
from training.predictor import Predictor


def _batches(batch_size):
  """Returns batches of 21 examples of 3 to 16 tokens."""
  rng = np.random.default_rng(0)
  rows = [rng.integers(5, 20, n) for n in rng.integers(3, 17, 21)]
  ids = tf.ragged.constant([row.tolist() for row in rows], dtype=tf.int32)
  return memory_batches.batches(ids, tf.zeros_like(ids), batch_size, 16)


def _logits(strategy, batch_size):
  with strategy.scope():
    model = Classifier(BertConfig(**tiny_world.CONFIG), 3, seed=5)
    return Predictor(model).predict(_batches(batch_size), 21)


@pytest.fixture(scope='module')
def one():
  """The logits that one device computes."""
  logits = _logits(tf.distribute.get_strategy(), 8)
  assert len(np.unique(logits, axis=0)) == 21
  return logits


# 5 and 1 cannot be cut into halves; 8 leaves 3 rows of padding at the end.
@pytest.mark.slow
@pytest.mark.parametrize('batch_size', [8, 5, 1])
def test_two_replicas_predict_like_one_device(one, batch_size):
  mirrored = replicas.mirrored()
  np.testing.assert_allclose(_logits(mirrored, batch_size), one, atol=1e-6)


@pytest.mark.parametrize('lengths', [(16,), (9, 12, 16)])
def test_logits_do_not_depend_on_the_lengths_batches_are_padded_to(
  one, lengths, monkeypatch
):
  monkeypatch.setattr(memory_batches, 'inference_lengths', lambda _: lengths)
  assert {batch['input_ids'].shape[1] for batch in _batches(5)} == {*lengths}
  logits = _logits(tf.distribute.get_strategy(), 5)
  np.testing.assert_allclose(logits, one, atol=1e-6)


def test_both_replicas_take_their_share():
  class ReplicaNumber(tf.Module):
    def __call__(self, features):
      context = tf.distribute.get_replica_context()
      rows = tf.shape(features['input_ids'])[0]
      number = tf.cast(context.replica_id_in_sync_group, tf.float32)
      return {'logits': tf.fill([rows, 1], number)}

  strategy = replicas.mirrored()
  with strategy.scope():
    logits = Predictor(ReplicaNumber()).predict(_batches(8), 21)
  # The first replica takes the first 4 rows of each of 3 batches; the last
  # batch ends with 3 rows of padding.
  assert np.bincount(np.int64(logits[:, 0])).tolist() == [12, 9]


def test_logits_do_not_depend_on_what_was_scored_before():
  model = Classifier(BertConfig(**tiny_world.CONFIG), 3, seed=5)
  first, *_, last = _batches(5)
  used = Predictor(model)
  used._batch_logits(first)
  np.testing.assert_array_equal(
    used._batch_logits(last), Predictor(model)._batch_logits(last)
  )


def test_the_rate_is_by_the_clock_if_several_batches_run_at_once(monkeypatch):
  seconds, numbers = [0.0], itertools.count()
  # Half a second passes once six batches run.
  six = threading.Barrier(6, lambda: seconds.append(0.5), timeout=60)

  def logits(_):
    if next(numbers):  # The first batch runs alone.
      six.wait()
    return np.zeros([3, 3])

  clock = types.SimpleNamespace(perf_counter=lambda: seconds[-1])
  monkeypatch.setattr(predictor, 'time', clock)
  used = Predictor(Classifier(BertConfig(**tiny_world.CONFIG), 3, seed=5))
  used._num_threads = 7
  used._batch_logits = logits
  used.predict(_batches(3), 21, lambda _: None)
  assert used.examples_per_second == 36  # 18 examples in 0.5 s.


def test_the_rate_of_a_single_batch_is_unknown():
  used = Predictor(Classifier(BertConfig(**tiny_world.CONFIG), 3, seed=5))
  used.predict(_batches(21), 21, lambda _: None)
  assert used.examples_per_second is None


@pytest.mark.slow
def test_a_deleted_predictor_frees_its_graph():
  used = Predictor(Classifier(BertConfig(**tiny_world.CONFIG), 3, seed=5))
  used.predict(_batches(8), 21, lambda _: None)
  graph = weakref.ref(used._logits.get_concrete_function().graph)
  del used
  gc.collect()
  assert graph() is None
