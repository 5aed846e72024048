"""Tests of devices/workers.py in one process; see also multi_worker_test.py."""

import pytest
import tensorflow as tf

from devices import workers
from system.errors import LostWorker, UserError


def test_a_tpu_that_fails_in_training_is_a_lost_worker(monkeypatch):
  tpu = object.__new__(tf.distribute.TPUStrategy)
  monkeypatch.setattr(tf.distribute, 'get_strategy', lambda: tpu)
  with (
    pytest.raises(LostWorker, match='socket closed'),
    workers.lost_workers_raised(),
  ):
    raise tf.errors.UnavailableError(None, None, 'socket closed')


def test_one_process_is_its_own_chief():
  assert (workers.count(), workers.index()) == (1, 0)
  assert workers.is_chief()
  assert workers.from_chief(3) == 3
  workers.check_same(3, 'the step')
  assert workers.chief_does(lambda: 'done') == 'done'
  with workers.running(tf.distribute.get_strategy()), workers.chief_first():
    seen = True
  assert seen


def test_one_process_raises_its_errors_unchanged():
  with (
    pytest.raises(tf.errors.UnavailableError),
    workers.running(tf.distribute.get_strategy()),
  ):
    raise tf.errors.UnavailableError(None, None, 'of one process')


def test_a_device_without_memory_is_a_mistake_of_the_user():
  reason = '{{function_node f}} OOM when allocating tensor with shape[9]\nmore'
  with (
    pytest.raises(UserError, match=r'memory: OOM .*\[9\]\. Try a smaller `tr'),
    workers.running(tf.distribute.get_strategy()),
  ):
    raise tf.errors.ResourceExhaustedError(None, None, reason)


def test_a_lost_worker_states_the_cause_in_one_line():
  error = tf.errors.UnavailableError(
    None, None, 'Graph\n\nCollective ops is aborted by: recvmsg: reset:\nmore'
  )
  assert str(workers.lost_worker(error)) == 'recvmsg: reset'
