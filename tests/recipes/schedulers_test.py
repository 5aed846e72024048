"""recipes/schedulers: the batch script, the manifests, and two real workers."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tiny_world
import yaml

from devices import schedulers
from system import exit_status

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_RECIPES = _ROOT / 'recipes' / 'schedulers'
_MANIFESTS = ('jobset', 'indexed_job', 'gke_tpu')
# What JobSet and the Job's controller label the pods of jobset.yaml with.
_LABELS = {
  'batch.kubernetes.io/job-name': 'well-read-bert-worker-0',
  'jobset.sigs.k8s.io/jobset-name': 'well-read-bert',
}


def _manifest(name: str) -> dict:
  return yaml.safe_load((_RECIPES / f'{name}.yaml').read_text())


def _job(name: str) -> dict:
  """Returns the spec of a manifest's Job."""
  spec = _manifest(name)['spec']
  if 'replicatedJobs' in spec:
    (job,) = spec['replicatedJobs']
    return job['template']['spec']
  return spec


def _container(name: str) -> dict:
  (container,) = _job(name)['template']['spec']['containers']
  return container


def _pod_environment(index: int) -> dict[str, str]:
  """Returns the variables of a pod of jobset.yaml."""
  values = {'JOB_COMPLETION_INDEX': str(index)}
  for variable in _container('jobset')['env']:
    value = variable.get('value')
    if value is None:
      path = variable['valueFrom']['fieldRef']['fieldPath']
      value = _LABELS[re.fullmatch(r"metadata\.labels\['(.*)'\]", path)[1]]
    values[variable['name']] = value
  return values


def _node_environment(index: int) -> dict[str, str]:
  """Returns the variables of a task of slurm.sh on two nodes."""
  return {
    'SLURM_JOB_ID': '7',
    'SLURM_STEP_NODELIST': 'n[0-1]',
    'SLURM_STEP_TASKS_PER_NODE': '1(x2)',
    'SLURM_NODEID': str(index),
    'SLURM_LOCALID': '0',
  }


def test_the_pods_of_the_jobset_find_each_other():
  job = _job('jobset')
  addresses, index = schedulers.from_environment(_pod_environment(1))
  assert len(addresses) == job['completions'] == job['parallelism']
  assert job['completionMode'] == 'Indexed'
  port = _container('jobset')['ports'][0]['containerPort']
  # <JobSet>-<replicated job>-<its number>-<pod>.<JobSet>
  assert addresses[index] == (
    f'well-read-bert-worker-0-1.well-read-bert:{port}'
  )


@pytest.mark.parametrize('name', _MANIFESTS)
def test_exit_statuses_decide_what_follows(name):
  job = _job(name)
  rules = {}
  for rule in job['podFailurePolicy']['rules']:
    statuses = rule.get('onExitCodes')
    if statuses:
      assert statuses['containerName'] == _container(name)['name']
      assert statuses['operator'] == 'In'
      rules[tuple(statuses['values'])] = rule['action']
  failure = 'FailIndex' if name == 'indexed_job' else 'FailJob'
  assert rules == {(1,): failure, (exit_status.RESTART,): 'Ignore'}
  # A policy needs this.
  assert job['template']['spec']['restartPolicy'] == 'Never'


def test_the_dump_has_a_pod_for_each_job():
  job = _job('indexed_job')
  args = _container('indexed_job')['args']
  assert f'--num_dump_jobs={job["completions"]}' in args
  assert '--dump_job_index=$(JOB_COMPLETION_INDEX)' in args


@pytest.mark.parametrize('name', _MANIFESTS)
def test_jobs_wait_in_a_queue_of_kueue(name):
  assert 'kueue.x-k8s.io/queue-name' in _manifest(name)['metadata']['labels']


@pytest.mark.slow
@pytest.mark.parametrize('name', _MANIFESTS)
def test_the_flags_of_the_manifests_exist(name):
  args = [x.replace('$(JOB_COMPLETION_INDEX)', '0') for x in _args(name)]
  subprocess.run(
    [sys.executable, *args, '--only_check_args'], cwd=_ROOT, check=True
  )


@pytest.mark.parametrize('name', ['jobset', 'indexed_job'])
def test_nothing_but_the_files_of_the_manifests_is_missing(name):
  args = [x.replace('$(JOB_COMPLETION_INDEX)', '0') for x in _args(name)]
  done = subprocess.run(
    [sys.executable, *args], cwd=_ROOT, capture_output=True, text=True
  )
  assert done.returncode == 1
  assert re.search(
    "ERROR: .*no (file|folder|checkpoint).*'/shared/", done.stderr
  )


def _args(name: str) -> list[str]:
  return _container(name)['args']


def _submit(folder, status: int, *words: str, **variables: str):
  """Runs slurm.sh with a fake srun and scontrol; returns what they got."""
  calls = folder / 'calls'
  calls.unlink(missing_ok=True)
  for name, end in (('srun', status), ('scontrol', 0)):
    path = folder / name
    path.write_text(
      f'#!/bin/sh\nprintf "%s\\n" "${{0##*/}} $*" >> {calls}\nexit {end}\n'
    )
    path.chmod(0o755)
  done = subprocess.run(
    ['bash', str(_RECIPES / 'slurm.sh'), *words],
    env={
      'PATH': f'{folder}:{os.environ["PATH"]}',
      'SLURM_JOB_ID': '7',
      'PYTHON': 'py',
      **variables,
    },
    stderr=subprocess.PIPE,
  )
  assert done.returncode == status, done.stderr
  return calls.read_text().splitlines()


@pytest.mark.parametrize(
  ('status', 'restarts', 'continues'),
  [
    (0, '0', False),
    (1, '0', False),
    (75, '0', True),
    (75, '99', True),
    (137, '0', True),
    (137, '9', True),
    (137, '10', False),
  ],
)
def test_a_batch_job_is_requeued(tmp_path, status, restarts, continues):
  calls = _submit(tmp_path, status, 'x.py', SLURM_RESTART_COUNT=restarts)
  assert calls[1:] == ['scontrol requeue 7'] * continues


def test_an_array_gives_each_job_its_number(tmp_path):
  words = ('x.py', '--dump_job_index=%a', '--flagfile=sweep/%a.txt')
  (call,) = _submit(tmp_path, 0, *words, SLURM_ARRAY_TASK_ID='3')
  assert call.endswith(
    ' py -m tools.as_worker py x.py --dump_job_index=3 --flagfile=sweep/3.txt'
  )


@pytest.fixture
def hosts():
  """Two hosts, which are network namespaces, with the schedulers' names."""
  if os.geteuid() or not shutil.which('ip'):
    pytest.skip('network namespaces need root, and ip')
  names = ['wrb0', 'wrb1']
  lines = ['127.0.0.1 localhost']
  for i in (0, 1):
    pod = schedulers.from_environment(_pod_environment(i)).addresses[i]
    lines.append(f'10.77.1.{i + 1} n{i} {pod.partition(":")[0]}')
  folders = [pathlib.Path('/etc/netns', name) for name in names]
  try:
    for folder, name in zip(folders, names, strict=True):
      _ip('netns', 'add', name)
      folder.mkdir(parents=True)
      (folder / 'hosts').write_text('\n'.join(lines) + '\n')
    peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', 'wrb1']
    _ip('link', 'add', 'name', 'eth0', 'netns', 'wrb0', *peer)
    for i, name in enumerate(names):
      address = f'10.77.1.{i + 1}/24'
      _ip('-n', name, 'address', 'add', address, 'dev', 'eth0')
      for device in ('lo', 'eth0'):
        _ip('-n', name, 'link', 'set', device, 'up')
    yield names
  finally:
    for folder, name in zip(folders, names, strict=True):
      subprocess.run(['ip', 'netns', 'delete', name], check=False)
      shutil.rmtree(folder, ignore_errors=True)


def _ip(*words: str) -> None:
  subprocess.run(['ip', *words], check=True)


class _Workers:
  """Two workers of a run, each on its own host."""

  def __init__(self, hosts, folder, environment, *command: str):
    self._hosts = hosts
    self._folder = folder
    self._environment = environment
    self._command = command
    self.processes = {}
    self.start(0, 1)

  def start(self, *indices: int) -> None:
    for index in indices:
      with open(self._folder / f'worker-{index}.log', 'a') as log:
        self.processes[index] = subprocess.Popen(
          [
            *('ip', 'netns', 'exec', self._hosts[index], sys.executable),
            *('-m', 'tools.as_worker', sys.executable, *self._command),
          ],
          env={**os.environ, **self._environment(index)},
          cwd=_ROOT,
          stdout=log,
          stderr=subprocess.STDOUT,
        )

  def kill(self, *indices: int) -> None:
    for index in indices:
      self.processes[index].kill()
      self.processes[index].wait()

  def log(self, index: int) -> str:
    return (self._folder / f'worker-{index}.log').read_text()

  def wait_for(self, path: pathlib.Path) -> None:
    while not path.exists():
      running = [each.poll() is None for each in self.processes.values()]
      assert all(running), self.log(0) + self.log(1)
      time.sleep(0.01)

  def statuses(self) -> list[int]:
    return [self.processes[i].wait(timeout=300) for i in (0, 1)]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
  # A pod that is killed is replaced; a job of SLURM is started again whole.
  ('environment', 'restarted'),
  [(_pod_environment, [1]), (_node_environment, [0, 1])],
  ids=['kubernetes', 'slurm'],
)
def test_two_workers_continue_after_signals(
  world, hosts, environment, restarted
):
  tiny_world.make_records(world, str(world / 'records'))
  out = world / 'out'
  flags = tiny_world.named_flags(
    {
      'input_file': world / 'records',
      'bert_config_file': world / 'bert_config.json',
      'output_dir': out,
      'max_predictions_per_seq': 3,
      'max_seq_length': 16,
      'train_batch_size': 8,
      'num_train_steps': 400,
      'save_checkpoints_steps': 20,
      'log_steps': 20,
    }
  )
  workers = _Workers(
    hosts, world, environment, 'run_pretraining.py', '--do_train', *flags
  )
  try:
    workers.wait_for(out / 'model.ckpt-40.index')
    workers.kill(*restarted)
    workers.start(*restarted)
    workers.wait_for(out / 'model.ckpt-200.index')
    workers.processes[1].send_signal(signal.SIGTERM)
    status = exit_status.RESTART
    assert workers.statuses() == [status] * 2, workers.log(0) + workers.log(1)
    workers.start(0, 1)
    assert workers.statuses() == [0, 0], workers.log(0) + workers.log(1)
  finally:
    workers.kill(0, 1)
  assert workers.log(0).count('Resumed at step') == 2
  (saved,) = re.findall(r'STOPPED: saved at step (\d+) of', workers.log(1))
  assert f'Resumed at step {saved}.' in workers.log(0)
  assert (out / 'model.ckpt-400.index').exists()
