"""Tests of cli/device_flags.py."""

import pytest
import tiny_world

from cli import device_flags
from devices import native_log
from devices.options import DeviceOptions
from system.errors import UserError


def _parsed(*arguments):
  return tiny_world.parsed('run_classifier', *arguments)


def test_flags_without_effect_are_refused():
  with (
    _parsed('--tpu_zone=z', '--num_tpu_cores=8'),
    pytest.raises(
      UserError, match='--tpu_zone, --num_tpu_cores cannot take effect: neither'
    ),
  ):
    device_flags.check()
  with (
    _parsed('--num_cpu_devices=2'),
    pytest.raises(UserError, match='--num_cpu_devices cannot take effect'),
  ):
    device_flags.check()
  with _parsed('--tpu_zone=z', '--use_tpu=true'):
    device_flags.check()
  # Commands written for google-research/bert give --use_tpu=false.
  with _parsed('--use_tpu=false', '--distribution_strategy=mirrored'):
    device_flags.check()


def test_cores_are_checked_only_if_the_flag_is_given():
  with _parsed('--use_tpu', '--precision=bfloat16'):
    assert device_flags.options(trains=False) == DeviceOptions(
      precision='bfloat16', use_tpu=True, num_tpu_cores=None, trains=False
    )
  with _parsed('--use_tpu', '--num_tpu_cores=8'):
    assert device_flags.options().num_tpu_cores == 8


def test_only_a_tpu_needs_its_paths_checked(monkeypatch):
  checked = []
  monkeypatch.setattr(native_log, 'apply_min_log_level', lambda: None)
  monkeypatch.setattr(device_flags.tpu_paths, 'check', checked.append)
  monkeypatch.delenv('TPU_NAME', raising=False)
  device_flags.prepare(DeviceOptions())
  assert checked == []
  device_flags.prepare(DeviceOptions(use_tpu=True))
  device_flags.prepare(DeviceOptions(use_tpu=True, tpu_name='slice'))
  assert checked == [False, True]
