"""How a TPU is reached, and what to do where it cannot be."""

import os
import re
import socket
from typing import NamedTuple

import tensorflow as tf

from devices import cluster, restart
from system.errors import LostWorker, UserError, reason_of

# The TPU that is plugged into this machine.
_LOCAL = 'local'

# What TensorFlow and Google's client say, and what helps.
_REMEDIES = (
  (
    'No OpKernel was registered',
    'This TensorFlow is not built for TPUs, or another one was installed over '
    'it: pip install --force-reinstall --no-deps tensorflow-tpu==2.20.0 '
    'libtpu==0.0.20 (recipes/tpu/README.md)',
  ),
  (
    'already in use|lockfile|Device or resource busy',
    'Another process holds this TPU: end it (sudo lsof -w /dev/accel* '
    '/dev/vfio/*), and remove /tmp/libtpu_lockfile if none is left',
  ),
  (
    r'RET_CHECK failure .*platform|[Nn]o TPU|TPU.* not found',
    'Is this the TPU VM itself? ls /dev/accel* /dev/vfio must show its chips. '
    'From another machine, and for a slice of several hosts, --tpu_name must '
    'name it',
  ),
  (
    '403|[Pp]ermission|[Ff]orbidden|credentials',
    'The account that runs this needs the role roles/tpu.viewer in the '
    'project: gcloud auth application-default login, or another service '
    'account for this machine',
  ),
  (
    r'urlopen|metadata\.google',
    'This machine is not in Google Cloud, or does not know its project and '
    'zone: give --tpu_zone and --gcp_project, or --tpu_name=grpc://ADDRESS',
  ),
)
_REMEDY = (
  'gcloud compute tpus tpu-vm list --zone=ZONE --project=PROJECT must show it '
  'as READY. A TPU that was preempted must be deleted and made again'
)


class Tpu(NamedTuple):
  """Which TPU, and what is expected of it."""

  # Or its address. None takes $TPU_NAME, or else the one of this machine.
  name: str | None = None
  zone: str | None = None
  project: str | None = None
  num_cores: int | None = None  # None takes any number

  @property
  def address(self) -> str:
    """What TensorFlow calls it."""
    return self.name or os.environ.get('TPU_NAME') or _LOCAL

  @property
  def is_remote(self) -> bool:
    """Whether its hosts run servers of their own, which see no local files."""
    return self.address != _LOCAL


def connect(tpu: Tpu) -> tf.distribute.Strategy:
  """Takes a TPU, whose memory is lost by that.

  Raises:
    UserError: it does not answer, or has another number of cores; the message
      says what to do.
    LostWorker: it does not answer, and had been lost before.
  """
  try:
    resolver = _resolver(tpu)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
  # Google's client has exceptions of its own, which need not be installed.
  except Exception as error:
    if restart.has_lost_worker():
      reason = f'the TPU does not answer: {reason_of(error)}'
      raise LostWorker(reason) from error
    if isinstance(error, UserError):
      raise
    raise _no_answer(tpu, reason_of(error)) from error
  strategy = tf.distribute.TPUStrategy(resolver)
  found = strategy.num_replicas_in_sync
  if tpu.num_cores not in (None, found):
    raise UserError(
      f'--num_tpu_cores={tpu.num_cores}, but the TPU {tpu.address} has {found} '
      'cores, those of all its hosts together: give that number, or leave the '
      'flag out; or it is not the TPU that was meant (--tpu_name)'
    )
  return strategy


def _resolver(tpu: Tpu):
  """Finds a TPU's hosts, checks that all listen, and tells them who calls.

  Part of the input pipeline is Python (the order of the examples): a host asks
  this process for it. Where it is not told an address, TensorFlow tells it
  'localhost', which on any other machine is wrong.
  """
  make = tf.distribute.cluster_resolver.TPUClusterResolver
  if not tpu.is_remote:
    return make(tpu=_LOCAL)
  named = {'tpu': tpu.address, 'zone': tpu.zone, 'project': tpu.project}
  hosts = make(**named).cluster_spec().job_tasks('worker')
  silent = [host for host in hosts if not cluster.answers(host)]
  if silent:
    raise _no_answer(
      tpu,
      f'{len(silent)} of its {len(hosts)} hosts do not listen: '
      f'{", ".join(silent)}',
    )
  own = _own_address(hosts[0])
  return make(**named, coordinator_name='localhost', coordinator_address=own)


def _own_address(host: str) -> str:
  """Returns this machine's address as `host` sees it, and a free port."""
  name, _, port = host.rpartition(':')
  with socket.create_connection((name.strip('[]'), int(port))) as connection:
    own = connection.getsockname()[0]
  with socket.create_server((own, 0)) as server:
    port = server.getsockname()[1]
  return f'{own}:{port}'


def _no_answer(tpu: Tpu, reason: str) -> UserError:
  remedy = _REMEDY
  for pattern, text in _REMEDIES:
    if re.search(pattern, reason):
      remedy = text
      break
  return UserError(
    f'no TPU answers as --tpu_name={tpu.address} (--tpu_zone={tpu.zone}, '
    f'--gcp_project={tpu.project}): {" ".join(reason.split()).rstrip(".")}. '
    f'{remedy}.'
  )
