"""Connects to a TPU; if it does not answer, suggests a remedy."""

import os
import re
import socket
from typing import NamedTuple

import tensorflow as tf

from devices import cluster, restart
from devices.options import DeviceOptions
from system.errors import LostWorker, UserError, reason_of

# The name of the TPU that is attached to this machine.
_LOCAL = 'local'
# Set on each host of a slice: the names of all of them, with commas.
_HOSTS = 'TPU_WORKER_HOSTNAMES'

# Patterns of the messages of TensorFlow and Google's client, and the remedies.
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
    '/dev/vfio/*), and remove /tmp/libtpu_lockfile if no process is left',
  ),
  (
    r'RET_CHECK failure .*platform|[Nn]o TPU|TPU.* not found',
    'Is this the TPU VM itself? ls /dev/accel* /dev/vfio must show its chips. '
    'From another machine, and for a slice of several hosts, `tpu_name` must '
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
    'zone: set `tpu_zone` and `gcp_project`, or `tpu_name`=grpc://ADDRESS',
  ),
)
_DEFAULT_REMEDY = (
  'gcloud compute tpus tpu-vm list --zone=ZONE --project=PROJECT must show it '
  'as READY. A TPU that was preempted must be deleted and made again'
)


class Tpu(NamedTuple):
  """The TPU that a run asks for.

  Attributes:
    name: its name or address; None takes $TPU_NAME, or this machine's TPU.
    zone: its Google Cloud zone.
    project: its Google Cloud project.
    num_cores: how many cores it must have; None accepts any number.
  """

  name: str | None = None
  zone: str | None = None
  project: str | None = None
  num_cores: int | None = None

  @classmethod
  def described_by(cls, options: DeviceOptions) -> 'Tpu':
    """Returns the TPU that a run's options ask for."""
    return cls(
      options.tpu_name or options.master,
      options.tpu_zone,
      options.gcp_project,
      options.num_tpu_cores,
    )

  @property
  def address(self) -> str:
    """The name by which TensorFlow finds it."""
    return self.name or os.environ.get('TPU_NAME') or _LOCAL

  @property
  def is_remote(self) -> bool:
    """Whether its hosts run their own servers, which see no local files."""
    return self.address != _LOCAL


def connect(tpu: Tpu) -> tf.distribute.Strategy:
  """Connects to a TPU and initialises it, which clears its memory.

  Raises:
    UserError: it does not answer, or has another number of cores; the message
      suggests a remedy.
    LostWorker: it does not answer, and this process has lost it before.
  """
  try:
    resolver = _resolver(tpu)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
  # Google's client raises classes of an optional package.
  except Exception as error:
    if restart.is_recovering():
      reason = f'the TPU does not answer: {reason_of(error)}'
      raise LostWorker(reason) from error
    if isinstance(error, UserError):
      raise
    raise _no_answer(tpu, reason_of(error)) from error
  strategy = tf.distribute.TPUStrategy(resolver)
  found = strategy.num_replicas_in_sync
  if tpu.num_cores not in (None, found):
    raise UserError(
      f'`num_tpu_cores`={tpu.num_cores}, but the TPU {tpu.address} has {found} '
      'cores on all its hosts together: set that number, or leave the flag '
      'out; or check that `tpu_name` is the TPU that you mean'
    )
  return strategy


def _resolver(tpu: Tpu):
  """Finds a TPU's hosts, checks that all listen, and gives them our address.

  The hosts call this process for the part of the input pipeline that is Python
  (it reads the training records). By default TensorFlow gives them the address
  'localhost', which is wrong on any other machine.
  """
  make = tf.distribute.cluster_resolver.TPUClusterResolver
  if not tpu.is_remote:
    hosts = os.environ.get(_HOSTS, '')
    if ',' in hosts:
      raise UserError(
        f'this machine is one host of a TPU slice ({_HOSTS}={hosts}): run the '
        'command on one host only, with the name of the slice in `tpu_name`'
      )
    return make(tpu=_LOCAL)
  description = {'tpu': tpu.address, 'zone': tpu.zone, 'project': tpu.project}
  hosts = make(**description).cluster_spec().job_tasks('worker')
  silent = [host for host in hosts if not cluster.is_listening(host)]
  if silent:
    raise _no_answer(
      tpu,
      f'{len(silent)} of its {len(hosts)} hosts do not listen: '
      f'{", ".join(silent)}',
    )
  return make(
    **description,
    coordinator_name='localhost',
    coordinator_address=_own_address(hosts[0]),
  )


def _own_address(host: str) -> str:
  """Returns this machine's address as `host` sees it, and a free port."""
  name, _, port = host.rpartition(':')
  with socket.create_connection((name.strip('[]'), int(port))) as connection:
    own = connection.getsockname()[0]
  with socket.create_server((own, 0)) as server:
    port = server.getsockname()[1]
  return f'{own}:{port}'


def _no_answer(tpu: Tpu, reason: str) -> UserError:
  """Returns the error about a TPU that does not answer, with a remedy."""
  remedy = _DEFAULT_REMEDY
  for pattern, text in _REMEDIES:
    if re.search(pattern, reason):
      remedy = text
      break
  return UserError(
    f'no TPU answers as `tpu_name`={tpu.address} (`tpu_zone`={tpu.zone}, '
    f'`gcp_project`={tpu.project}): {" ".join(reason.split()).rstrip(".")}. '
    f'{remedy}.'
  )
