"""Which devices a run takes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

from devices import cluster, restart, strategies, workers
from system import threads
from system.errors import LostWorker, UserError


def test_auto_without_gpus_is_one_device():
  for name in ('auto', 'one_device'):
    assert strategies.make_strategy(name).num_replicas_in_sync == 1


# In a process of its own: the number of threads is fixed by its first op.
_SCORE = """
import numpy as np
import tensorflow as tf
from data.records import input_pipeline
from devices import strategies
from modeling import configs
from modeling.models import Classifier
from training.classification import Predictor

strategies.make_strategy('one_device', trains={trains})
rows = np.random.default_rng(0).integers(5, 999, [70, 8])
ids = tf.ragged.constant([row[: 3 + i % 6] for i, row in enumerate(rows)])
batches = input_pipeline.inference_batches_from(ids, tf.zeros_like(ids), 4, 8)
model = Classifier(configs.compact_config('2/128', 1000), 2)
logits = Predictor(model).predict(batches, 70, lambda _: None)
print(tf.config.threading.get_intra_op_parallelism_threads())
print(strategies.num_scoring_threads())
print(logits.tolist())
"""


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
  assert outputs[True][:2] == [0, 2]  # 0: as many as there are cores.
  is_small = threads.num_cores() <= strategies._MOST_BATCHES_AT_ONCE
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
def test_scripts_tell_whether_they_train(
  script, flags, trains, world, monkeypatch
):
  def stop(*arguments):
    raise UserError(f'trains={arguments[-1]}')

  monkeypatch.setattr(strategies, 'make_strategy', stop)
  with pytest.raises(UserError, match=f'trains={trains}'):
    tiny_world.run(script, *tiny_world.task_flags(world), *flags)


def test_mirrored_takes_logical_cpus():
  strategy = strategies.make_strategy('mirrored', num_cpu_devices=2)
  assert isinstance(strategy, tf.distribute.MirroredStrategy)
  assert strategy.num_replicas_in_sync == 2


def test_more_cpus_than_the_process_has_are_refused():
  with pytest.raises(UserError, match='3 CPU devices .* this process has 2'):
    strategies.make_strategy('mirrored', num_cpu_devices=3)


def test_a_tpu_that_was_lost_is_waited_for(monkeypatch):
  def no_such_tpu(**arguments):
    raise tf.errors.UnavailableError(None, None, 'connection refused')

  resolver = tf.distribute.cluster_resolver
  monkeypatch.setattr(resolver, 'TPUClusterResolver', no_such_tpu)
  # As `restart.again` leaves the environment of the process that it starts.
  monkeypatch.setenv(restart._SINCE, '1.0')
  with pytest.raises(LostWorker, match='TPU does not answer: connection ref'):
    strategies.make_strategy('tpu')
  restart.progressed()
  with pytest.raises(UserError, match='no TPU answers'):
    strategies.make_strategy('tpu')


def test_a_tpu_that_is_lost_in_training_is_a_lost_worker(monkeypatch):
  tpu = object.__new__(tf.distribute.TPUStrategy)
  monkeypatch.setattr(tf.distribute, 'get_strategy', lambda: tpu)
  with pytest.raises(LostWorker, match='socket closed'), workers.losses_told():
    raise tf.errors.UnavailableError(None, None, 'socket closed')


def test_several_workers_in_tf_config_are_taken_by_auto(monkeypatch):
  met = []

  def nobody_comes(job):
    met.append(job)
    raise LostWorker('b:2 does not answer')

  monkeypatch.setattr(cluster, 'meet', nobody_comes)
  config = {
    'cluster': {'worker': ['a:1', 'b:2']},
    'task': {'type': 'worker', 'index': 0},
  }
  monkeypatch.setenv('TF_CONFIG', json.dumps(config))
  for name in ('auto', 'multi_worker_mirrored'):
    with pytest.raises(LostWorker):
      strategies.make_strategy(name)
  assert met == [cluster.Cluster(('a:1', 'b:2'), 0)] * 2
  # Who asks for one device gets it.
  assert strategies.make_strategy('one_device').num_replicas_in_sync == 1


def test_one_process_is_its_own_chief():
  assert (workers.count(), workers.index()) == (1, 0)
  assert workers.is_chief()
  assert workers.from_chief(3) == 3
  workers.check_same(3, 'the step')
  assert workers.chief_does(lambda: 'done') == 'done'
  with workers.running(tf.distribute.get_strategy()), workers.chief_first():
    seen = True
  assert seen


def test_an_error_that_is_not_about_workers_stays_as_it_is():
  with (
    pytest.raises(tf.errors.UnavailableError),
    workers.running(tf.distribute.get_strategy()),
  ):
    raise tf.errors.UnavailableError(None, None, 'of one process')


def test_a_loss_is_told_in_a_line():
  error = tf.errors.UnavailableError(
    None, None, 'Graph\n\nCollective ops is aborted by: recvmsg: reset:\nmore'
  )
  assert str(workers.loss(error)) == 'recvmsg: reset'
