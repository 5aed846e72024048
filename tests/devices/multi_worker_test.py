"""Several devices, or two worker processes, give the results of one device."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

# Starting six processes takes a minute.
pytestmark = pytest.mark.slow

_STRATEGY = '--distribution_strategy=multi_worker_mirrored'
_MINUTES = 60.0


def _free_ports(count: int) -> list[int]:
  sockets = [socket.socket() for _ in range(count)]
  for each in sockets:
    each.bind(('127.0.0.1', 0))
  ports = [each.getsockname()[1] for each in sockets]
  for each in sockets:
    each.close()
  return ports


class _Job:
  """Two workers with the same command."""

  def __init__(self, folder: pathlib.Path, script: str, *flags: str):
    self._logs = folder
    self._command = [sys.executable, script, *flags, _STRATEGY]
    addresses = [f'127.0.0.1:{port}' for port in _free_ports(2)]
    self._cluster = {'worker': addresses}
    self.start()

  def start(self) -> None:
    """Starts both workers; may be called again once they have ended."""
    self.workers = [self._start(0), self._start(1)]

  def _start(self, index: int) -> subprocess.Popen:
    task = {'type': 'worker', 'index': index}
    config = json.dumps({'cluster': self._cluster, 'task': task})
    with open(self._logs / f'worker-{index}.log', 'a') as log:
      return subprocess.Popen(
        self._command,
        env={**os.environ, 'TF_CONFIG': config},
        stdout=log,
        stderr=subprocess.STDOUT,
      )

  def log(self, index: int) -> str:
    return (self._logs / f'worker-{index}.log').read_text()

  def is_running(self) -> bool:
    return all(worker.poll() is None for worker in self.workers)

  def kill_and_start_again(self, index: int) -> None:
    self.workers[index].send_signal(signal.SIGKILL)
    assert self.workers[index].wait() == -signal.SIGKILL, self.log(index)
    self.workers[index] = self._start(index)

  def wait(self) -> list[int]:
    """Returns the exit statuses."""
    try:
      return [worker.wait(timeout=5 * _MINUTES) for worker in self.workers]
    finally:
      for worker in self.workers:
        worker.kill()
        worker.wait()

  def succeed(self) -> None:
    assert self.wait() == [0, 0], self.log(0) + self.log(1)


def _alone(script: str, *flags: str) -> None:
  done = subprocess.run(
    [sys.executable, script, *flags], capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr


def _assert_near(ours: pathlib.Path, expected: pathlib.Path) -> None:
  a, b = (tf.train.load_checkpoint(str(p)) for p in (ours, expected))
  names = b.get_variable_to_shape_map()
  assert a.get_variable_to_shape_map() == names
  for name in names:
    np.testing.assert_allclose(
      a.get_tensor(name), b.get_tensor(name), atol=1e-5, err_msg=name
    )


def _pretraining_flags(world, output_dir, **changes):
  path = world / 'records'
  if not path.exists():
    tiny_world.make_records(world, str(path))
  values = {
    'input_file': path,
    'bert_config_file': world / 'bert_config.json',
    'output_dir': output_dir,
    'max_predictions_per_seq': 3,
    'max_seq_length': 16,
    # At 1e-2 two biases of attention keys, whose gradients are only rounding
    # errors, differ by 1.2e-5 after 20 steps; all other weights by 4e-7.
    'learning_rate': 1e-3,
    'num_train_steps': 20,
    'num_warmup_steps': 2,
    'train_batch_size': 8,
    'save_checkpoints_steps': 10,
    'log_steps': 5,
    **changes,
  }
  return [*tiny_world.named_flags(values), '--do_train', '--do_eval']


def _scores(folder):
  lines = (folder / 'eval_results.txt').read_text().splitlines()
  pairs = (line.split(' = ') for line in lines)
  return {name: float(value) for name, value in pairs}


@pytest.mark.parametrize(('count', 'num_parts'), [(4, 1), (4, 2)])
def test_devices_pretrain_as_one_does(world, count, num_parts):
  # Separate processes: in one process, the reductions of mirrors of two and of
  # four devices were observed to mix.
  one, several = world / 'one', world / 'several'
  mirrored = ['--distribution_strategy=mirrored', f'--num_cpu_devices={count}']
  parts = {'gradient_accumulation_steps': num_parts}
  flags = _pretraining_flags(world, several, **parts)
  _alone('run_pretraining.py', *flags, *mirrored)
  _alone('run_pretraining.py', *_pretraining_flags(world, one))
  _assert_near(several / 'model.ckpt-20', one / 'model.ckpt-20')
  assert _scores(several) == pytest.approx(_scores(one), abs=1e-4)


def test_two_workers_pretrain_as_one_process_does(world):
  # With dropout 0.1. The halves of a batch have different masked positions.
  one, two = world / 'one', world / 'two'
  # Both loops on the devices must end where the chief's profile begins.
  rare = {'save_checkpoints_steps': 20, 'log_steps': 20}
  flags = _pretraining_flags(world, two, **rare, profile=True)
  job = _Job(world, 'run_pretraining.py', *flags)
  job.succeed()
  _alone('run_pretraining.py', *_pretraining_flags(world, one, **rare))
  _assert_near(two / 'model.ckpt-20', one / 'model.ckpt-20')
  assert _scores(two) == pytest.approx(_scores(one), abs=1e-4)
  assert _names(two) == _names(one)
  assert len(list(two.glob('events/plugins/profile/*/*.xplane.pb'))) == 1
  assert '[worker 1] Worker 1 of 2 joins' in job.log(1)
  assert 'step 20 of 20' in job.log(0) and 'step 20' not in job.log(1)


def _names(folder):
  """Returns the names of a run's files, without those of TensorBoard."""
  paths = (p.relative_to(folder) for p in folder.rglob('*') if p.is_file())
  return sorted(str(p) for p in paths if p.parts[0] != 'events')


def _classifier_flags(world, output_dir):
  return [
    *tiny_world.task_flags(
      world,
      output_dir=output_dir,
      learning_rate=1e-3,
      # 24 steps.
      num_train_epochs=4,
      eval_steps=6,
      metric_for_best='loss',
      save_checkpoints_steps=10,
    ),
    *['--do_train', '--do_eval', '--do_predict'],
  ]


def test_two_workers_fine_tune_evaluate_and_predict_as_one_does(world):
  one, two = world / 'one', world / 'two'
  _Job(world, 'run_classifier.py', *_classifier_flags(world, two)).succeed()
  _alone('run_classifier.py', *_classifier_flags(world, one))
  _assert_near(two / 'model.ckpt-24', one / 'model.ckpt-24')
  assert _names(two) == _names(one)
  assert _scores(two) == pytest.approx(_scores(one), abs=1e-4)
  np.testing.assert_allclose(
    np.loadtxt(two / 'test_results.tsv'),
    np.loadtxt(one / 'test_results.tsv'),
    atol=1e-5,
  )


def _distillation_flags(world, folder):
  return dict.fromkeys(
    [
      *tiny_world.task_flags(
        world,
        output_dir=folder / 'student',
        learning_rate=1e-3,
        logits_dir=folder / 'dump',
        teacher_checkpoint=world / 'teacher',
        transfer_file=world / 'transfer.txt',
        transfer_split='train',
        num_logits_shards=3,
        keep_text=True,
        num_train_epochs=3,
      ),
      *['--do_dump_logits', '--do_train', '--do_eval', '--do_predict'],
    ]
  )


def test_two_workers_dump_and_distil_as_one_process_does(teacher_world):
  world = teacher_world
  one, two = world / 'one', world / 'two'
  flags = _distillation_flags(world, two)
  _Job(world, 'run_distillation.py', *flags).succeed()
  _alone('run_distillation.py', *_distillation_flags(world, one))
  names = _names(one / 'dump')
  assert _names(two / 'dump') == names and 'manifest.json' in names
  for name in names:
    # run.json contains the command, and with it the folder.
    if name != 'run.json' and not name.endswith('_speed.json'):
      expected = (one / 'dump' / name).read_bytes()
      assert (two / 'dump' / name).read_bytes() == expected, name
  dumps = [
    json.loads((x / 'dump' / 'run.json').read_text()) for x in (one, two)
  ]
  assert dumps[0]['configuration'] == dumps[1]['configuration']
  step = json.loads((one / 'student' / 'run.json').read_text())
  step = step['configuration']['num_train_steps']
  prefix = f'student/model.ckpt-{step}'
  _assert_near(two / prefix, one / prefix)
  assert _names(two / 'student') == _names(one / 'student')
  assert _scores(two / 'student') == pytest.approx(
    _scores(one / 'student'), abs=1e-4
  )


def test_a_mistake_that_only_the_chief_finds_stops_both(world):
  flags = tiny_world.task_flags(world)
  job = _Job(world, 'run_classifier.py', *flags, '--do_eval')
  assert job.wait() == [1, 1]
  assert 'ERROR: there is nothing to evaluate' in job.log(0)
  assert 'ERROR: another worker has failed' in job.log(1)


def test_both_end_if_the_chief_cannot_save(world):
  folder = world / 'out'
  job = _Job(world, 'run_pretraining.py', *_long_flags(world, folder))
  _wait_for(job, folder / 'model.ckpt-20.index')
  (folder / 'run.lock').unlink()
  assert job.wait() == [1, 1]
  assert 'run.lock, which this run has written, is gone' in job.log(0)
  assert 'ERROR: another worker has failed' in job.log(1)


def _long_flags(world, output_dir):
  return _pretraining_flags(
    world,
    output_dir,
    num_train_steps=400,
    save_checkpoints_steps=20,
    log_steps=5,
    keep_checkpoint_max=2,
  )


def _wait_for(job, path):
  while not path.exists():
    assert job.is_running(), job.log(0) + job.log(1)
    time.sleep(0.01)


@pytest.mark.long
def test_a_worker_that_is_killed_and_started_again_changes_no_byte(world):
  alone, killed = world / 'alone', world / 'killed'
  _Job(world, 'run_pretraining.py', *_long_flags(world, alone)).succeed()
  # The chief's clock makes both save at each stop of the host, too.
  flags = [*_long_flags(world, killed), '--save_checkpoints_minutes=0.001']
  job = _Job(world, 'run_pretraining.py', *flags)
  for index, step in ((1, 40), (0, 120)):
    _wait_for(job, killed / f'model.ckpt-{step}.index')
    job.kill_and_start_again(index)
  # A worker that receives SIGTERM stops the other one with the next step.
  _wait_for(job, killed / 'model.ckpt-240.index')
  job.workers[1].send_signal(signal.SIGTERM)
  assert job.wait() == [75, 75], job.log(0) + job.log(1)
  saved = re.findall(r'STOPPED: saved at step (\d+) of', job.log(0))
  assert saved == re.findall(r'STOPPED: saved at step (\d+) of', job.log(1))
  assert 240 < int(*saved) < 400
  job.start()
  job.succeed()
  for index in (0, 1):
    assert 'Another worker, or the TPU, is lost' in job.log(index)
  assert job.log(0).count('Resumed at step') == 3
  assert f'Resumed at step {int(*saved)}' in job.log(0)
  assert _names(killed) == _names(alone)
  for name in ('model.ckpt-400.data-00000-of-00001', 'metrics.jsonl'):
    assert (killed / name).read_bytes() == (alone / name).read_bytes(), name
