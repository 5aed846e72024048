"""The description of the machine next to the measurements."""

import json

import pytest

from benchmarks import machine


def test_measurements_are_saved_with_the_machine(tmp_path):
  path = tmp_path / 'new' / 'numbers.json'
  machine.save(str(path), {'seconds': [1.5]}, (0.0, 0.25, 0.5))
  saved = json.loads(path.read_text())
  assert saved['seconds'] == [1.5]
  assert saved['load_average']['start'] == [0.0, 0.25, 0.5]
  assert saved['machine']['packages'].keys() >= {'numpy', 'tensorflow', 'torch'}
  assert saved['machine']['cores'] > 0


def test_without_a_path_nothing_is_saved(monkeypatch):
  monkeypatch.setattr(machine, 'describe', lambda: pytest.fail('described'))
  machine.save(None, {}, (0.0, 0.0, 0.0))
