"""The cluster of workers that TF_CONFIG describes.

Does not import TensorFlow, so that scripts report mistakes before they load it.
"""

import json
import os
import re
import socket
import time
from typing import Any, NamedTuple

from absl import logging

from system import json_text
from system.errors import LostWorker, UserError, shown

_VARIABLE = 'TF_CONFIG'
_PATIENCE_SECONDS = 600.0  # A worker that is silent for longer counts as lost.
_REMINDER_SECONDS = 60.0  # Between two log lines about missing workers.
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
    addresses: each worker's 'host:port', in order; the first is the chief's.
    index: this process's position among them.
  """

  addresses: tuple[str, ...]
  index: int


def from_environment() -> Cluster | None:
  """Reads TF_CONFIG; returns None if it is unset or names no cluster.

  Raises:
    UserError: it is malformed, or its task is not in its cluster.
  """
  text = os.environ.get(_VARIABLE, '')
  if not text.strip():
    return None
  try:
    config = json_text.parse(text)
  except ValueError as error:
    raise _error(f'is not valid JSON: {error}') from error
  if not isinstance(config, dict):
    raise _error(f'is {shown(text)}')
  jobs = config.get('cluster')
  if not jobs:
    return None
  addresses = _addresses(jobs)
  return Cluster(tuple(addresses), _index(jobs, config.get('task')))


def has_several_workers() -> bool:
  """Returns whether TF_CONFIG names several workers.

  Raises:
    UserError: as `from_environment`.
  """
  cluster = from_environment()
  return cluster is not None and len(cluster.addresses) > 1


def required() -> Cluster:
  """Reads TF_CONFIG, which must name a cluster.

  Raises:
    UserError: it names none, or as `from_environment`.
  """
  cluster = from_environment()
  if cluster is None:
    raise UserError(
      '`distribution_strategy`=multi_worker_mirrored needs the environment '
      f'variable {_VARIABLE}, which names the workers: {_EXPECTED}'
    )
  return cluster


def wait_for_workers(
  cluster: Cluster, patience: float = _PATIENCE_SECONDS
) -> None:
  """Waits until all other workers listen.

  TensorFlow also waits for them, but it does not log which workers are missing,
  and neither Ctrl-C nor SIGTERM can end the wait. So this function waits first:
  until each worker listens, in this function or already in TensorFlow's server.

  Args:
    cluster: the workers.
    patience: seconds to wait.

  Raises:
    UserError: this worker's port is taken.
    LostWorker: a worker does not listen in time.
  """
  own = cluster.addresses[cluster.index]
  missing = [address for address in cluster.addresses if address != own]
  started = last_reminder = time.monotonic()
  with _listen(own):
    while missing := [x for x in missing if not is_listening(x)]:
      now = time.monotonic()
      if now - started > patience:
        raise LostWorker(f'{", ".join(missing)} does not answer')
      if now - last_reminder > _REMINDER_SECONDS:
        last_reminder = now
        logging.warning('Still waiting for %s', ', '.join(missing))
      time.sleep(0.2)


def _listen(address: str) -> socket.socket:
  """Opens a worker's port. `is_listening` connects to it and needs no reply."""
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


def is_listening(address: str) -> bool:
  """Returns whether a server accepts connections at 'host:port'."""
  host, _, port = address.rpartition(':')
  try:
    socket.create_connection((host.strip('[]'), int(port)), 1.0).close()
  except (OSError, OverflowError):
    return False
  return True


def _addresses(jobs: Any) -> list[str]:
  """Returns the workers' addresses, the chief's first.

  Raises:
    UserError: the cluster is malformed.
  """
  if not isinstance(jobs, dict) or not jobs.keys() <= set(_JOBS):
    raise _error(
      f'has the cluster {json.dumps(jobs)}: only jobs named '
      f'{" and ".join(_JOBS)} take part in this training'
    )
  addresses = []
  for job in _JOBS:
    named = jobs.get(job, [])
    if not isinstance(named, list) or not all(
      isinstance(x, str) and _ADDRESS.fullmatch(x) for x in named
    ):
      raise _error(f'has the {job}s {json.dumps(named)}')
    addresses += named
  if len(jobs.get('chief', [])) > 1:
    raise _error(f'has {len(jobs["chief"])} chiefs')
  if len(set(addresses)) < len(addresses):
    raise _error(f'names an address twice: {", ".join(addresses)}')
  if not addresses:
    raise _error('names no worker')
  return addresses


def _index(jobs: dict[str, list[str]], task: Any) -> int:
  """Returns the position of a task's address among `_addresses`.

  Raises:
    UserError: the task is malformed or not in the cluster.
  """
  task = task if isinstance(task, dict) else {}
  job, index = task.get('type'), task.get('index')
  if isinstance(index, str) and index.isdigit():
    index = int(index)  # Some schedulers write strings.
  count = len(jobs.get(job, [])) if isinstance(job, str) else 0
  if type(index) is not int or not 0 <= index < count:
    raise _error(
      f'has the task {json.dumps(task)}, which is not in its cluster '
      f'{json.dumps(jobs)}'
    )
  return index + (len(jobs.get('chief', [])) if job == 'worker' else 0)


def _error(problem: str) -> UserError:
  return UserError(
    f'the environment variable {_VARIABLE} {problem}; {_EXPECTED}'
  )
