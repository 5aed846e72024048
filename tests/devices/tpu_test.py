"""Tests of devices/tpu.py: a TPU that answers, and remedies if it does not."""

import socket

import pytest
import tensorflow as tf

from devices import strategies, tpu
from devices.options import DeviceOptions
from system.errors import UserError

_OTHER_HOST = '127.0.0.1'


@pytest.fixture
def listening():
  """Yields the address of a host that listens."""
  with socket.create_server((_OTHER_HOST, 0)) as server:
    yield f'{_OTHER_HOST}:{server.getsockname()[1]}'


class _Resolver:
  """A fake of TensorFlow's resolver."""

  made: list[dict] = []
  hosts: list[str] = []
  failure: Exception | None = None

  def __init__(self, **arguments):
    self.made.append(arguments)
    if self.failure:
      raise self.failure

  def cluster_spec(self):
    return tf.train.ClusterSpec({'worker': self.hosts})


@pytest.fixture
def resolver(monkeypatch):
  """Replaces TensorFlow's functions by fakes with a TPU of 4 cores."""

  class Resolver(_Resolver):
    made = []

  class Strategy:
    num_replicas_in_sync = 4

    def __init__(self, found):
      assert isinstance(found, Resolver)

  monkeypatch.delenv('TPU_NAME', raising=False)
  monkeypatch.setattr(
    tf.distribute.cluster_resolver, 'TPUClusterResolver', Resolver
  )
  monkeypatch.setattr(tf.distribute, 'TPUStrategy', Strategy)
  monkeypatch.setattr(
    tf.config, 'experimental_connect_to_cluster', lambda resolver: None
  )
  monkeypatch.setattr(
    tf.tpu.experimental, 'initialize_tpu_system', lambda resolver: None
  )
  return Resolver


def test_the_default_is_the_tpu_of_this_machine(resolver, monkeypatch):
  strategy = strategies.make_strategy(
    DeviceOptions(use_tpu=True, num_tpu_cores=None)
  )
  assert strategy.num_replicas_in_sync == 4
  assert resolver.made == [{'tpu': 'local'}]
  assert not tpu.Tpu().is_remote
  monkeypatch.setenv('TPU_NAME', 'slice')
  assert tpu.Tpu().is_remote
  assert tpu.Tpu().address == 'slice'
  assert not tpu.Tpu('local').is_remote


def test_a_host_of_a_slice_is_not_a_tpu_of_its_own(resolver, monkeypatch):
  monkeypatch.setenv('TPU_WORKER_HOSTNAMES', 'host-0')
  tpu.connect(tpu.Tpu())
  monkeypatch.setenv('TPU_WORKER_HOSTNAMES', 'host-0,host-1')
  with pytest.raises(
    UserError, match='one host of a TPU slice .*host-0,host-1.*`tpu_name`'
  ):
    tpu.connect(tpu.Tpu())


def test_hosts_get_the_address_of_this_process(resolver, listening):
  resolver.hosts = [listening]
  tpu.connect(tpu.Tpu('slice', 'z', 'p', num_cores=4))
  named = {'tpu': 'slice', 'zone': 'z', 'project': 'p'}
  first, second = resolver.made
  assert first == named
  own, _, port = second.pop('coordinator_address').rpartition(':')
  assert second == {**named, 'coordinator_name': 'localhost'}
  assert own == _OTHER_HOST
  assert 0 < int(port) != int(listening.rpartition(':')[2])


def test_hosts_that_do_not_listen_are_named(resolver, listening):
  with socket.create_server((_OTHER_HOST, 0)) as server:
    silent = f'{_OTHER_HOST}:{server.getsockname()[1]}'
  resolver.hosts = [listening, silent]
  with pytest.raises(
    UserError, match=f'1 of its 2 hosts do not listen: {silent}. gcloud .*READY'
  ):
    tpu.connect(tpu.Tpu('slice'))


def test_another_number_of_cores_is_refused(resolver):
  with pytest.raises(
    UserError,
    match='`num_tpu_cores`=8, but the TPU local has 4 .* leave the flag out',
  ):
    tpu.connect(tpu.Tpu(num_cores=8))


@pytest.mark.parametrize(
  ('failure', 'remedy'),
  [
    # Observed: plain TensorFlow; tensorflow-tpu without a TPU; a name outside
    # Google Cloud.
    (
      tf.errors.NotFoundError(
        None,
        None,
        'TPUs not found in the cluster. Failed in initialization: No OpKernel '
        "was registered to support Op 'ConfigureDistributedTPU'",
      ),
      'not built for TPUs.*--no-deps tensorflow-tpu==2.20.0',
    ),
    (
      tf.errors.InternalError(
        None, None, 'RET_CHECK failure (tpu_node_interfaces.cc:432) *platform'
      ),
      'Is this the TPU VM itself',
    ),
    (
      OSError('<urlopen error [Errno -2] Name or service not known>'),
      'set `tpu_zone` and `gcp_project`',
    ),
    (RuntimeError('The TPU is already in use by process 7'), 'sudo lsof'),
    # Google's client raises its own classes.
    (type('HttpError', (Exception,), {})('403 Forbidden'), 'roles/tpu.viewer'),
    (ValueError("Could not lookup TPU metadata from name 'x'"), 'READY'),
    (
      RuntimeError('TPU "x" is not yet ready; state: "PREEMPTED"'),
      'made again',
    ),
  ],
)
def test_the_message_contains_a_remedy(resolver, failure, remedy):
  resolver.failure = failure
  with pytest.raises(
    UserError, match=f'(?s)no TPU answers as `tpu_name`=x .*{remedy}'
  ):
    tpu.connect(tpu.Tpu('x', 'z', 'p'))
