"""Tests of devices/strategies.py."""

import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

from devices import cluster, restart, strategies
from devices.options import DeviceOptions
from distillation import dump_manifest
from system import threads
from system.errors import LostWorker, UserError


def _make(name, **options):
  return strategies.make_strategy(
    DeviceOptions(distribution_strategy=name, num_tpu_cores=None, **options)
  )


@pytest.fixture
def without_gpus(monkeypatch):
  found = tf.config.list_physical_devices
  monkeypatch.setattr(
    tf.config,
    'list_physical_devices',
    lambda kind: [] if kind == 'GPU' else found(kind),
  )


@pytest.mark.usefixtures('without_gpus')
def test_auto_without_gpus_is_one_device():
  for name in ('auto', 'one_device'):
    assert _make(name).num_replicas_in_sync == 1


# Runs in its own process: the first op fixes the number of threads.
_SCORE = """
import numpy as np
import tensorflow as tf
from data.records import memory_batches
from devices import options, strategies
from modeling import configs
from modeling.models import Classifier
from training.predictor import Predictor

strategies.make_strategy(options.DeviceOptions(trains={trains}))
rows = np.random.default_rng(0).integers(5, 999, [70, 8])
ids = tf.ragged.constant([row[: 3 + i % 6] for i, row in enumerate(rows)])
batches = memory_batches.batches(ids, tf.zeros_like(ids), 4, 8)
model = Classifier(configs.compact_config('2/128', 1000), 2)
logits = Predictor(model).predict(batches, 70, lambda _: None)
print(tf.config.threading.get_intra_op_parallelism_threads())
print(strategies.num_scoring_threads())
print(logits.tolist())
"""


@pytest.mark.slow
def test_a_process_that_does_not_train_scores_a_batch_on_each_core():
  outputs = {}
  for trains in (True, False):
    run = subprocess.run(
      [sys.executable, '-c', _SCORE.format(trains=trains)],
      capture_output=True,
      text=True,
      check=True,
      env=os.environ | {'CUDA_VISIBLE_DEVICES': ''},
    )
    outputs[trains] = [json.loads(x) for x in run.stdout.splitlines()]
  assert outputs[True][:2] == [0, 2]  # 0: one thread per core.
  is_small = threads.num_cores() <= strategies._MAX_SCORING_THREADS
  expected = [1, threads.num_cores()] if is_small else [0, 2]
  assert outputs[False][:2] == expected
  np.testing.assert_allclose(outputs[True][2], outputs[False][2], atol=1e-6)


@pytest.mark.parametrize(
  'script, flags, trains',
  [
    ('run_classifier', ['--do_train', '--do_eval'], True),
    ('run_classifier', ['--do_eval'], False),
    ('run_distillation', ['--do_train', '--logits_dir=dump'], True),
    ('run_distillation', ['--do_predict'], False),
  ],
)
def test_scripts_pass_whether_they_train(
  script, flags, trains, world, monkeypatch
):
  def stop(devices):
    raise UserError(f'trains={devices.trains}')

  monkeypatch.setattr(strategies, 'make_strategy', stop)
  manifest = types.SimpleNamespace(max_seq_length=16, vocabulary='another')
  monkeypatch.setattr(dump_manifest, 'read', lambda folder: manifest)
  with pytest.raises(UserError, match=f'trains={trains}'):
    tiny_world.run(script, *tiny_world.task_flags(world), *flags)


@pytest.mark.usefixtures('without_gpus')
def test_mirrored_takes_logical_cpus():
  strategy = _make('mirrored', num_cpu_devices=2)
  assert isinstance(strategy, tf.distribute.MirroredStrategy)
  assert strategy.num_replicas_in_sync == 2


@pytest.mark.usefixtures('without_gpus')
def test_more_cpus_than_the_process_has_are_refused():
  with pytest.raises(
    UserError, match='`num_cpu_devices`=3: this process has 2 CPU devices'
  ):
    _make('mirrored', num_cpu_devices=3)


def test_cpu_devices_have_no_effect_beside_gpus(monkeypatch):
  monkeypatch.setattr(tf.config, 'list_physical_devices', lambda _: ['gpu'])
  with pytest.raises(UserError, match='`num_cpu_devices`=2 cannot .*GPUs'):
    _make('mirrored', num_cpu_devices=2)


def test_a_process_that_lost_its_tpu_retries(monkeypatch):
  def no_such_tpu(**arguments):
    raise tf.errors.UnavailableError(None, None, 'connection refused')

  resolver = tf.distribute.cluster_resolver
  monkeypatch.setattr(resolver, 'TPUClusterResolver', no_such_tpu)
  # As `restart.restart_or_exit` sets it for the process that it starts.
  monkeypatch.setenv(restart._LOST_SINCE, '1.0')
  with pytest.raises(LostWorker, match='TPU does not answer: connection ref'):
    _make('tpu')
  restart.note_progress()
  with pytest.raises(UserError, match='no TPU answers'):
    _make('tpu')


def test_auto_takes_several_workers_in_tf_config(monkeypatch):
  jobs = []

  def fail(job):
    jobs.append(job)
    raise LostWorker('b:2 does not answer')

  monkeypatch.setattr(cluster, 'wait_for_workers', fail)
  config = {
    'cluster': {'worker': ['a:1', 'b:2']},
    'task': {'type': 'worker', 'index': 0},
  }
  monkeypatch.setenv('TF_CONFIG', json.dumps(config))
  for name in ('auto', 'multi_worker_mirrored'):
    with pytest.raises(LostWorker):
      _make(name)
  assert jobs == [cluster.Cluster(('a:1', 'b:2'), 0)] * 2
  # An explicit strategy overrides TF_CONFIG.
  assert _make('one_device').num_replicas_in_sync == 1
