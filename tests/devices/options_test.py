"""Tests of devices/options.py."""

import json

import pytest

from devices.options import DeviceOptions
from system.errors import UserError
from system.settings import declared_in, unmet, weights_decided_by

_NEEDS = {each.name: each.setting.needs for each in declared_in(DeviceOptions)}


def _unmet(name, **values):
  given = {'distribution_strategy': 'auto', 'use_tpu': False, **values}
  return unmet(_NEEDS[name], given)


@pytest.mark.parametrize(
  'name', ['tpu_name', 'tpu_zone', 'gcp_project', 'master', 'num_tpu_cores']
)
def test_settings_of_a_tpu_need_a_tpu(name):
  reason = 'neither `use_tpu` nor `distribution_strategy`=tpu is given'
  assert _unmet(name) == reason
  assert _unmet(name, use_tpu=True) is None
  assert _unmet(name, distribution_strategy='tpu') is None


def test_cpu_devices_need_mirrors():
  reason = '`distribution_strategy` is not mirrored'
  assert _unmet('num_cpu_devices') == reason
  assert _unmet('num_cpu_devices', distribution_strategy='mirrored') is None


def test_only_the_precision_decides_weights():
  options = DeviceOptions(precision='bfloat16', use_tpu=True)
  assert weights_decided_by(options) == {'precision': 'bfloat16'}


def test_use_tpu_contradicts_other_strategies():
  for name in ('auto', 'tpu'):
    options = DeviceOptions(use_tpu=True, distribution_strategy=name)
    options.check()
    assert options.is_on_tpu
  with pytest.raises(
    UserError,
    match='`use_tpu` and `distribution_strategy`=mirrored contradict',
  ):
    DeviceOptions(use_tpu=True, distribution_strategy='mirrored').check()
  assert not DeviceOptions().is_on_tpu


def test_a_tpu_does_not_compute_in_float16():
  with pytest.raises(UserError, match='`precision`=float16: a TPU computes'):
    DeviceOptions(use_tpu=True, precision='float16').check()
  DeviceOptions(precision='float16').check()


def test_the_cluster_is_checked_if_it_is_used(monkeypatch):
  workers = DeviceOptions(distribution_strategy='multi_worker_mirrored')
  monkeypatch.delenv('TF_CONFIG', raising=False)
  DeviceOptions().check()
  with pytest.raises(UserError, match='variable TF_CONFIG, which names'):
    workers.check()
  config = {'cluster': {'worker': ['a:1']}, 'task': {'index': 3}}
  monkeypatch.setenv('TF_CONFIG', json.dumps(config))
  for options in (workers, DeviceOptions()):
    with pytest.raises(UserError, match='not in its cluster'):
      options.check()
  DeviceOptions(distribution_strategy='one_device').check()
  DeviceOptions(use_tpu=True).check()
