"""Tests of devices/native_log.py."""

import types

import pytest

from devices import native_log


@pytest.mark.parametrize(
  ('variable', 'level'), [('3', 3), ('0', 0), (None, 0), ('x', 0)]
)
def test_the_level_of_the_environment_is_applied(monkeypatch, variable, level):
  levels = []
  library = types.SimpleNamespace(**{native_log._SET_LEVEL: levels.append})
  monkeypatch.setattr(native_log.ctypes, 'CDLL', lambda path: library)
  monkeypatch.delenv('TF_CPP_MIN_LOG_LEVEL', raising=False)
  if variable is not None:
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', variable)
  native_log.apply_min_log_level()
  assert levels == [level]


def test_a_build_without_the_function_is_no_error(monkeypatch):
  monkeypatch.setattr(native_log.ctypes, 'CDLL', lambda path: object())
  native_log.apply_min_log_level()


def test_the_pinned_tensorflow_exports_the_function(monkeypatch):
  levels = []
  load = native_log.ctypes.CDLL

  class Library:
    def __init__(self, path):
      assert hasattr(load(path), native_log._SET_LEVEL)
      setattr(self, native_log._SET_LEVEL, levels.append)

  monkeypatch.setattr(native_log.ctypes, 'CDLL', Library)
  native_log.apply_min_log_level()
  assert len(levels) == 1
