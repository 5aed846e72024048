"""TF_CONFIG: which workers share a job, and how they find each other.

Nothing here imports TensorFlow: what is wrong is told before it is loaded.
"""

import json
import os
import re
import socket
import time
from typing import Any, NamedTuple

from absl import logging

from system.errors import LostWorker, UserError

_VARIABLE = 'TF_CONFIG'
_PATIENCE = 600.0  # Seconds until workers that do not come count as lost.
_REMINDER = 60.0  # Seconds between two lines that tell who is waited for.
# In the order in which TensorFlow numbers the workers.
_JOBS = ('chief', 'worker')
_ADDRESS = re.compile(r'[^\s,/]+:\d{1,5}')
_EXPECTED = (
  'expected {"cluster": {"worker": ["host:port", ...]}, "task": {"type": '
  '"worker", "index": 0}}, the same cluster on every worker'
)


class Cluster(NamedTuple):
  """The workers of a job.

  Attributes:
    addresses: 'host:port' of each, in order; the first is the chief.
    index: of this process.
  """

  addresses: tuple[str, ...]
  index: int


def from_environment() -> Cluster | None:
  """Reads TF_CONFIG; None where it is not set, or names no cluster.

  Raises:
    UserError: it is malformed, or its task is not in its cluster.
  """
  text = os.environ.get(_VARIABLE, '')
  if not text.strip():
    return None
  try:
    config = json.loads(text)
  except json.JSONDecodeError as error:
    raise _mistake(f'is not valid JSON: {error}') from error
  if not isinstance(config, dict):
    raise _mistake(f'is {text}')
  jobs = config.get('cluster')
  if not jobs:
    return None
  addresses = _addresses(jobs)
  return Cluster(tuple(addresses), _index(jobs, config.get('task')))


def has_several_workers() -> bool:
  """Says whether TF_CONFIG names several; raises as `from_environment`."""
  cluster = from_environment()
  return cluster is not None and len(cluster.addresses) > 1


def required() -> Cluster:
  """Reads TF_CONFIG, which must be set.

  Raises:
    UserError: it is not, or as `from_environment`.
  """
  cluster = from_environment()
  if cluster is None:
    raise UserError(
      '--distribution_strategy=multi_worker_mirrored needs the environment '
      f'variable {_VARIABLE}, which names the workers: {_EXPECTED}'
    )
  return cluster


def meet(cluster: Cluster, patience: float = _PATIENCE) -> None:
  """Waits until the other workers are there.

  While TensorFlow itself waits for them, neither Ctrl-C nor SIGTERM ends the
  process, and nobody is told who is missing. So it is called only when all
  listen: here, or with TensorFlow's own server already.

  Raises:
    UserError: this worker's port is taken.
    LostWorker: a worker is not there after `patience` seconds.
  """
  own = cluster.addresses[cluster.index]
  missing = [address for address in cluster.addresses if address != own]
  started = told = time.monotonic()
  with _listen(own):
    while missing := [x for x in missing if not answers(x)]:
      now = time.monotonic()
      if now - started > patience:
        raise LostWorker(f'{", ".join(missing)} does not answer')
      if now - told > _REMINDER:
        told = now
        logging.warning('Still waiting for %s', ', '.join(missing))
      time.sleep(0.2)


def _listen(address: str) -> socket.socket:
  """Opens a worker's port; who connects need not be spoken to."""
  port = int(address.rpartition(':')[2])
  is_dual = socket.has_dualstack_ipv6()
  family = socket.AF_INET6 if is_dual else socket.AF_INET
  try:
    return socket.create_server(
      ('', port), family=family, dualstack_ipv6=is_dual
    )
  except (OSError, OverflowError) as error:
    raise UserError(
      f'this worker cannot listen on {address}, its address in {_VARIABLE}: '
      f'{error}'
    ) from error


def answers(address: str) -> bool:
  """Says whether somebody listens at 'host:port'."""
  host, _, port = address.rpartition(':')
  try:
    socket.create_connection((host.strip('[]'), int(port)), 1.0).close()
  except (OSError, OverflowError):
    return False
  return True


def _addresses(jobs: Any) -> list[str]:
  """Returns the workers' addresses, checked, the chief's first."""
  if not isinstance(jobs, dict) or not jobs.keys() <= set(_JOBS):
    raise _mistake(
      f'has the cluster {json.dumps(jobs)}: only jobs named '
      f'{" and ".join(_JOBS)} take part in this training'
    )
  addresses = []
  for job in _JOBS:
    named = jobs.get(job, [])
    if not isinstance(named, list) or not all(
      isinstance(x, str) and _ADDRESS.fullmatch(x) for x in named
    ):
      raise _mistake(f'has the {job}s {json.dumps(named)}')
    addresses += named
  if len(jobs.get('chief', [])) > 1:
    raise _mistake(f'has {len(jobs["chief"])} chiefs')
  if len(set(addresses)) < len(addresses):
    raise _mistake(f'names an address twice: {", ".join(addresses)}')
  if not addresses:
    raise _mistake('names no worker')
  return addresses


def _index(jobs: dict[str, list[str]], task: Any) -> int:
  """Returns the place of a task among `_addresses`."""
  task = task if isinstance(task, dict) else {}
  job, index = task.get('type'), task.get('index')
  if isinstance(index, str) and index.isdigit():
    index = int(index)  # As some schedulers write it.
  count = len(jobs.get(job, [])) if isinstance(job, str) else 0
  if type(index) is not int or not 0 <= index < count:
    raise _mistake(
      f'has the task {json.dumps(task)}, which is not in its cluster '
      f'{json.dumps(jobs)}'
    )
  return index + (len(jobs.get('chief', [])) if job == 'worker' else 0)


def _mistake(what: str) -> UserError:
  return UserError(f'the environment variable {_VARIABLE} {what}; {_EXPECTED}')
