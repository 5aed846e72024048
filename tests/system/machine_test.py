"""The description of the machine."""

import os
import subprocess

import pytest

from system import machine


def _answers(monkeypatch, returncode: int, stdout: str) -> None:
  def run(command, **_):
    assert command[0] == 'nvidia-smi'
    return subprocess.CompletedProcess(command, returncode, stdout)

  monkeypatch.setattr(subprocess, 'run', run)


def test_the_hardware_is_named(monkeypatch):
  monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
  _answers(monkeypatch, 0, 'NVIDIA H100, 550.54, 81559 MiB\n')
  found = machine.hardware()
  assert found['cpu']
  assert found['cores'] == len(os.sched_getaffinity(0))
  assert found['gpus'] == ['NVIDIA H100, 550.54, 81559 MiB']
  assert found['memory_megabytes'] > 100


def test_a_failing_driver_means_no_gpu(monkeypatch):
  monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
  _answers(monkeypatch, 9, 'NVIDIA-SMI has failed\n')
  assert machine.gpus() == []


@pytest.mark.parametrize('hidden', ['', '-1'])
def test_hidden_gpus_are_not_named(monkeypatch, hidden):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', hidden)
  _answers(monkeypatch, 0, 'NVIDIA H100, 550.54, 81559 MiB\n')
  assert machine.gpus() == []


def test_versions_of_packages():
  found = machine.versions(('pytest', 'no-such-package'))
  assert found == {'pytest': pytest.__version__, 'no-such-package': None}
