"""Tests of devices/schedulers.py: from a scheduler's variables to TF_CONFIG."""

import pytest

from devices import cluster, schedulers
from system.errors import UserError

# What srun sets for the last of six tasks on three nodes.
_SLURM = {
  'SLURM_JOB_ID': '2041',
  'SLURM_STEP_NODELIST': 'n[08-09],gpu1',
  'SLURM_STEP_TASKS_PER_NODE': '2(x2),1',
  'SLURM_NODEID': '2',
  'SLURM_LOCALID': '0',
  'SLURM_PROCID': '2',  # Tasks that fill the nodes in turn.
}
# What Kubernetes and recipes/schedulers/jobset.yaml set in a pod.
_POD = {
  'JOB_COMPLETION_INDEX': '1',
  'NUM_WORKERS': '2',
  'JOB_NAME': 'bert-worker-0',
  'SUBDOMAIN': 'bert',
}


def test_a_task_of_slurm_finds_the_addresses_and_its_own():
  assert schedulers.from_environment(_SLURM) == (
    ('n08:20410', 'n08:20411', 'n09:20410', 'n09:20411', 'gpu1:20410'),
    4,
  )
  second = {**_SLURM, 'SLURM_NODEID': '1', 'SLURM_LOCALID': '1'}
  assert schedulers.from_environment(second).index == 3


def test_a_pod_finds_the_addresses_and_its_own():
  assert schedulers.from_environment(_POD) == (
    ('bert-worker-0-0.bert:2222', 'bert-worker-0-1.bert:2222'),
    1,
  )


@pytest.mark.parametrize('environment', [_SLURM, _POD], ids=['slurm', 'pod'])
def test_tf_config_describes_the_same_cluster(monkeypatch, environment):
  job = schedulers.from_environment(environment)
  monkeypatch.setenv('TF_CONFIG', schedulers.tf_config(job))
  assert cluster.from_environment() == job


@pytest.mark.parametrize(
  ('text', 'hosts'),
  [
    ('node', 'node'),
    ('a,b', 'a b'),
    ('n[1-2],m5,o[3-4,6]', 'n1 n2 m5 o3 o4 o6'),
    ('n[008-010]', 'n008 n009 n010'),
    ('r[1-2]n[1-2]-ib', 'r1n1-ib r1n2-ib r2n1-ib r2n2-ib'),
  ],
)
def test_host_lists_of_slurm(text, hosts):
  assert schedulers.expand_hosts(text) == hosts.split()


@pytest.mark.parametrize(
  'text', ['', ',', 'a,', 'a,,b', 'n[1', 'n1]', 'n[]', 'n[2-1]', 'n[1-]', 'a b']
)
def test_a_malformed_host_list_is_refused(text):
  environment = {**_SLURM, 'SLURM_STEP_NODELIST': text}
  with pytest.raises(UserError, match='SLURM_STEP_NODELIST is .*; expected'):
    schedulers.from_environment(environment)


@pytest.mark.parametrize(
  ('environment', 'changes', 'message'),
  [
    ({}, {}, 'found no scheduler: .* srun .* Kubernetes'),
    ({}, {'SLURM_JOB_ID': '7'}, 'none of its steps .*: start it with srun'),
    (_SLURM, {'SLURM_NODEID': '3'}, "NODEID is '3'; expected .* below 3"),
    (_SLURM, {'SLURM_LOCALID': '1'}, "LOCALID is '1'; expected .* below 1"),
    (_SLURM, {'SLURM_NODEID': None}, 'NODEID is not set; expected a number'),
    (_SLURM, {'SLURM_JOB_ID': 'x'}, "JOB_ID is 'x'; expected a number"),
    (
      *(_SLURM, {'SLURM_STEP_TASKS_PER_NODE': '2(x2)'}),
      'NODELIST names 3 nodes, SLURM_STEP_TASKS_PER_NODE 2: expected the same',
    ),
    (
      *(_SLURM, {'SLURM_STEP_TASKS_PER_NODE': '2x'}),
      r"TASKS_PER_NODE is '2x'; expected numbers such as 2\(x3\),1",
    ),
    (_POD, {'JOB_COMPLETION_INDEX': '2'}, "is '2'; expected .* below 2"),
    (_POD, {'JOB_COMPLETION_INDEX': '-1'}, "is '-1'; expected a number below"),
    (_POD, {'NUM_WORKERS': None}, 'NUM_WORKERS is not set; expected a number'),
    (_POD, {'JOB_NAME': ''}, "JOB_NAME is ''; expected the Job's name"),
    (_POD, {'SUBDOMAIN': 'a:b'}, "SUBDOMAIN is 'a:b'; expected the service's"),
  ],
)
def test_a_malformed_environment_raises_one_message(
  environment, changes, message
):
  changed = {**environment, **changes}
  values = {name: value for name, value in changed.items() if value is not None}
  with pytest.raises(UserError, match=message) as error:
    schedulers.from_environment(values)
  assert '\n' not in str(error.value)
