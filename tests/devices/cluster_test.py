"""Tests of devices/cluster.py: TF_CONFIG, and waiting for the workers."""

import json
import socket
import threading

import pytest

from devices import cluster
from system.errors import LostWorker, UserError

_TWO = {'worker': ['a:1', 'b:2']}


def _set(monkeypatch, config):
  text = config if isinstance(config, str) else json.dumps(config)
  monkeypatch.setenv('TF_CONFIG', text)


def _config(jobs, job='worker', index=0):
  return {'cluster': jobs, 'task': {'type': job, 'index': index}}


@pytest.mark.parametrize(
  ('config', 'expected'),
  [
    (_config(_TWO, index=1), (('a:1', 'b:2'), 1)),
    (_config(_TWO, index='1'), (('a:1', 'b:2'), 1)),
    # TensorFlow numbers the chief first.
    (_config({**_TWO, 'chief': ['c:3']}, index=1), (('c:3', 'a:1', 'b:2'), 2)),
    (_config({**_TWO, 'chief': ['c:3']}, 'chief'), (('c:3', 'a:1', 'b:2'), 0)),
    ('', None),
    ({'task': {'type': 'worker', 'index': 0}}, None),
  ],
)
def test_workers_are_numbered_as_tensorflow_does(monkeypatch, config, expected):
  _set(monkeypatch, config)
  assert cluster.from_environment() == expected


@pytest.mark.parametrize(
  ('config', 'message'),
  [
    ('{', 'TF_CONFIG is not valid JSON'),
    ('[' * 100_000, 'TF_CONFIG is not valid JSON: .* nested too deeply'),
    ('3', "TF_CONFIG is '3'; expected"),
    (_config({'worker': 'a:1'}), 'has the workers "a:1"; expected'),
    (_config({'worker': ['a']}), 'has the workers .*"a".*; expected'),
    (_config({**_TWO, 'ps': ['c:3']}), 'only jobs named chief and worker'),
    (_config({'chief': ['a:1', 'b:2']}, 'chief'), 'has 2 chiefs'),
    (_config({'worker': ['a:1', 'a:1']}), 'names an address twice'),
    (_config({'worker': []}), 'names no worker'),
    (_config(_TWO, index=2), 'the task .*"index": 2.* not in its cluster'),
    (_config(_TWO, index=-1), 'not in its cluster'),
    (_config(_TWO, index=True), 'not in its cluster'),
    (_config(_TWO, 'evaluator'), 'not in its cluster'),
    ({'cluster': _TWO}, 'the task {}, which is not in its cluster'),
  ],
)
def test_a_malformed_cluster_raises_one_message(monkeypatch, config, message):
  _set(monkeypatch, config)
  with pytest.raises(UserError, match=message):
    cluster.from_environment()


def test_a_required_cluster_must_be_given(monkeypatch):
  monkeypatch.delenv('TF_CONFIG', raising=False)
  with pytest.raises(UserError, match='needs the environment .* TF_CONFIG'):
    cluster.required()
  assert not cluster.has_several_workers()
  _set(monkeypatch, _config({'worker': ['a:1']}))
  assert not cluster.has_several_workers()
  _set(monkeypatch, _config(_TWO))
  assert cluster.has_several_workers()


def _addresses(count):
  sockets = [socket.create_server(('', 0)) for _ in range(count)]
  ports = [each.getsockname()[1] for each in sockets]
  for each in sockets:
    each.close()
  return tuple(f'127.0.0.1:{port}' for port in ports)


def test_workers_wait_for_each_other():
  addresses = _addresses(2)
  early = threading.Thread(
    target=cluster.wait_for_workers, args=(cluster.Cluster(addresses, 0),)
  )
  early.start()
  early.join(timeout=0.3)
  assert early.is_alive()
  # Like TensorFlow's server, it keeps listening.
  with socket.create_server(('', int(addresses[1].rpartition(':')[2]))):
    early.join(timeout=60)
    assert not early.is_alive()


def test_a_worker_that_does_not_answer_is_named():
  addresses = _addresses(2)
  with pytest.raises(LostWorker, match=f'{addresses[1]} does not answer'):
    cluster.wait_for_workers(cluster.Cluster(addresses, 0), patience=0.0)


def test_a_port_that_is_taken_is_named():
  with socket.create_server(('', 0)) as other:
    address = f'127.0.0.1:{other.getsockname()[1]}'
    with pytest.raises(UserError, match=f'cannot listen on {address}'):
      cluster.wait_for_workers(cluster.Cluster((address, 'b:2'), 0))
