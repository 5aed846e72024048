"""Tests of system/numba_jit.py: the cache, and failures that do no harm."""

import os
import pathlib
import subprocess
import sys

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from system import numba_jit
from system.numba_jit import jit

_ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.setattr(numba.config, 'CACHE_DIR', str(tmp_path))
  return tmp_path


def _next(x):
  return x + 1


def test_the_cached_code_is_loaded():
  assert jit(_next)(1) == 2
  again = jit(_next)
  assert again(1) == 2
  assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.slow
def test_a_change_of_a_called_module_is_compiled(folder):
  package = folder / 'some_package'
  package.mkdir()
  (package / '__init__.py').touch()
  callee = package / 'callee.py'
  header = 'from system.numba_jit import jit\n'
  (package / 'caller.py').write_text(
    f'{header}from some_package.callee import f\n'
    '@jit\ndef g(x):\n  return 2 * f(x)\n'
  )
  command = 'from some_package import caller; print(caller.g(1))'
  printed = []
  for number in (1, 100):
    callee.write_text(f'{header}@jit\ndef f(x):\n  return x + {number}\n')
    done = subprocess.run(
      [sys.executable, '-c', command],
      env={**os.environ, 'PYTHONPATH': f'{_ROOT}:{folder}'},
      capture_output=True,
      text=True,
    )
    printed.append(done.stdout.strip())
  assert printed == ['4', '202'], done.stderr


def test_a_link_to_nothing_is_no_module(folder):
  (folder / '.#document.py').symlink_to(folder / 'nothing')
  assert numba_jit._stamp(folder) == ()


def test_a_full_disk_is_no_error(folder, monkeypatch):
  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(IndexDataCacheFile, '_save_data', full)
  assert jit(_next)(1) == 2
  assert not [*folder.rglob('*.nbc')]


@pytest.mark.parametrize('kind', ['nbi', 'nbc'])
def test_a_damaged_cache_is_compiled_again(folder, kind):
  jit(_next)(1)
  (path,) = folder.rglob(f'*.{kind}')
  path.write_bytes(path.read_bytes()[:20])
  assert jit(_next)(1) == 2
  path.write_bytes(b'')
  assert jit(_next)(1) == 2
