"""The cluster that the environment of a scheduler's task describes.

A cluster of SLURM starts a step's tasks with srun; Kubernetes starts the pods
of an indexed Job. Every task finds the same addresses, and its own position
among them, in its environment. `tools/as_worker.py` writes them to TF_CONFIG.

TensorFlow's SlurmClusterResolver does not fit: it takes SLURM_PROCID for the
position, which is wrong unless the tasks fill one node after another; it needs
nvidia-smi; and it gives every job the same ports.
"""

import itertools
import json
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from devices.cluster import Cluster
from system.errors import UserError, shown

T = TypeVar('T')

# A pod has its own address, so all pods use the same port.
_POD_PORT = 2222
# Jobs of SLURM may share a node. Ten ports for each job, from 20000 to 29999:
# below those that Linux gives to outgoing connections.
_FIRST_PORT = 20_000
_NUM_JOB_PORTS = 10
_NUM_PORTS = 10_000

# A name in a host list; numbers in brackets stand for several names.
_NAME = r'(?:[^][,\s]|\[[\d,-]+\])+'
_LIST = re.compile(f'{_NAME}(?:,{_NAME})*')
_NAME_PART = re.compile(r'(?P<text>[^][]+)|\[(?P<numbers>[^]]+)\]')
_RANGE = re.compile(r'(?P<first>\d+)(?:-(?P<last>\d+))?')
_REPEATED = re.compile(r'(?P<count>\d+)(?:\(x(?P<times>\d+)\))?')


def from_environment(environment: Mapping[str, str]) -> Cluster:
  """Returns the cluster of a task of SLURM, or of a pod of an indexed Job.

  Raises:
    UserError: the process is neither, or a variable is missing or malformed.
  """
  if 'SLURM_STEP_NODELIST' in environment:
    return _slurm(environment)
  if 'JOB_COMPLETION_INDEX' in environment:
    return _kubernetes(environment)
  if 'SLURM_JOB_ID' in environment:
    raise UserError(
      'this process is in a SLURM job, but in none of its steps '
      '(SLURM_STEP_NODELIST is not set): start it with srun'
    )
  raise UserError(
    'found no scheduler: neither SLURM_STEP_NODELIST, which srun sets, nor '
    'JOB_COMPLETION_INDEX, which an indexed Job of Kubernetes sets'
  )


def tf_config(cluster: Cluster) -> str:
  """Returns the value of TF_CONFIG that describes a cluster."""
  return json.dumps(
    {
      'cluster': {'worker': cluster.addresses},
      'task': {'type': 'worker', 'index': cluster.index},
    }
  )


def expand_hosts(text: str) -> list[str]:
  """Returns the names in a host list of SLURM.

  For example, 'a[1-2,07],b' gives a1, a2, a07 and b.

  Raises:
    ValueError: the list is malformed.
  """
  if not _LIST.fullmatch(text):
    raise ValueError(text)
  hosts = []
  for name in re.findall(_NAME, text):
    parts = map(_alternatives, _NAME_PART.finditer(name))
    hosts += map(''.join, itertools.product(*parts))
  return hosts


def _alternatives(part: re.Match) -> list[str]:
  """Returns what a part of a name stands for."""
  if part['text']:
    return [part['text']]
  numbers = []
  for word in part['numbers'].split(','):
    bounds = _RANGE.fullmatch(word)
    if not bounds:
      raise ValueError(word)
    first = bounds['first']
    last = bounds['last'] or first
    if int(first) > int(last):
      raise ValueError(word)
    # All numbers of a range have as many digits as its first one.
    width = len(first)
    numbers += [f'{x:0{width}}' for x in range(int(first), int(last) + 1)]
  return numbers


def _expand_counts(text: str) -> list[int]:
  """Returns the numbers of tasks on a step's nodes: '2(x3),1' is 2, 2, 2, 1.

  Raises:
    ValueError: the text is malformed.
  """
  counts = []
  for word in text.split(','):
    match = _REPEATED.fullmatch(word)
    if not match:
      raise ValueError(text)
    counts += [int(match['count'])] * int(match['times'] or 1)
  return counts


def _slurm(environment: Mapping[str, str]) -> Cluster:
  """Returns the cluster of a task that srun started.

  Raises:
    UserError: a variable is missing or malformed.
  """
  hosts = _parsed(
    environment, 'SLURM_STEP_NODELIST', expand_hosts, 'a list such as n[1-2],m'
  )
  counts = _parsed(
    environment,
    'SLURM_STEP_TASKS_PER_NODE',
    _expand_counts,
    'numbers such as 2(x3),1',
  )
  if len(hosts) != len(counts):
    raise UserError(
      f'SLURM_STEP_NODELIST names {len(hosts)} nodes, '
      f'SLURM_STEP_TASKS_PER_NODE {len(counts)}: expected the same number'
    )
  node = _number(environment, 'SLURM_NODEID', below=len(hosts))
  task = _number(environment, 'SLURM_LOCALID', below=counts[node])
  job = _number(environment, 'SLURM_JOB_ID')
  port = _FIRST_PORT + job * _NUM_JOB_PORTS % _NUM_PORTS
  addresses = [
    f'{host}:{port + i}'
    for host, count in zip(hosts, counts, strict=True)
    for i in range(count)
  ]
  return Cluster(tuple(addresses), sum(counts[:node]) + task)


def _kubernetes(environment: Mapping[str, str]) -> Cluster:
  """Returns the cluster of a pod of an indexed Job with a headless service.

  Kubernetes sets JOB_COMPLETION_INDEX; the manifest must set NUM_WORKERS, the
  number of pods, and the Job's JOB_NAME and SUBDOMAIN.

  Raises:
    UserError: a variable is missing or malformed.
  """
  count = _number(environment, 'NUM_WORKERS')
  index = _number(environment, 'JOB_COMPLETION_INDEX', below=count)
  job = _parsed(environment, 'JOB_NAME', _dns_name, "the Job's name")
  domain = _parsed(environment, 'SUBDOMAIN', _dns_name, "the service's name")
  return Cluster(
    tuple(f'{job}-{i}.{domain}:{_POD_PORT}' for i in range(count)), index
  )


def _dns_name(text: str) -> str:
  if not re.fullmatch(r'[a-z0-9]([a-z0-9.-]*[a-z0-9])?', text):
    raise ValueError(text)
  return text


def _number(
  environment: Mapping[str, str], name: str, below: int | None = None
) -> int:
  """Returns a variable's value, a number from 0.

  Raises:
    UserError: the variable is missing or no such number.
  """

  def parse(text: str) -> int:
    if not re.fullmatch(r'[0-9]{1,18}', text):
      raise ValueError(text)
    value = int(text)
    if below is not None and value >= below:
      raise ValueError(text)
    return value

  limit = '' if below is None else f' below {below}'
  return _parsed(environment, name, parse, f'a number{limit}')


def _parsed(
  environment: Mapping[str, str],
  name: str,
  parse: Callable[[str], T],
  expected: str,
) -> T:
  """Returns the parsed value of a variable.

  Raises:
    UserError: the variable is missing, or `parse` raises ValueError.
  """
  text = environment.get(name)
  try:
    if text is not None:
      return parse(text)
  except ValueError:
    pass
  found = 'not set' if text is None else shown(text)
  raise UserError(
    f'the environment variable {name} is {found}; expected {expected}'
  )
