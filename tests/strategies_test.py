"""Which devices a run takes."""

import pytest
import tensorflow as tf

from data.errors import UserError
from modeling import strategies


def test_auto_without_gpus_is_one_device():
  for name in ('auto', 'one_device'):
    assert strategies.make_strategy(name).num_replicas_in_sync == 1


def test_mirrored_takes_logical_cpus():
  strategy = strategies.make_strategy('mirrored', num_cpu_devices=2)
  assert isinstance(strategy, tf.distribute.MirroredStrategy)
  assert strategy.num_replicas_in_sync == 2


def test_more_cpus_than_the_process_has_are_refused():
  with pytest.raises(UserError, match='3 CPU devices .* this process has 2'):
    strategies.make_strategy('mirrored', num_cpu_devices=3)


def test_a_tpu_that_does_not_answer_is_named(monkeypatch):
  def no_such_tpu(**arguments):
    assert arguments == {'tpu': 'mine', 'zone': 'z', 'project': 'p'}
    raise ValueError('not found')

  resolver = tf.distribute.cluster_resolver
  monkeypatch.setattr(resolver, 'TPUClusterResolver', no_such_tpu)
  with pytest.raises(
    UserError, match='--tpu_name=mine .--tpu_zone=z, .*project=p.: not found'
  ):
    strategies.make_strategy('tpu', tpu=strategies.Tpu('mine', 'z', 'p'))
