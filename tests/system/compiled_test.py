"""Tests of system/compiled.py: the cache, and failures that do no harm."""

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from system.compiled import compiled


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.setattr(numba.config, 'CACHE_DIR', str(tmp_path))
  return tmp_path


def _next(x):
  return x + 1


def test_the_cached_code_is_loaded():
  assert compiled(_next)(1) == 2
  again = compiled(_next)
  assert again(1) == 2
  assert sum(again.stats.cache_hits.values()) == 1


def test_a_full_disk_is_no_error(folder, monkeypatch):
  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(IndexDataCacheFile, '_save_data', full)
  assert compiled(_next)(1) == 2
  assert not [*folder.rglob('*.nbc')]


@pytest.mark.parametrize('kind', ['nbi', 'nbc'])
def test_a_damaged_cache_is_compiled_again(folder, kind):
  compiled(_next)(1)
  (path,) = folder.rglob(f'*.{kind}')
  path.write_bytes(path.read_bytes()[:20])
  assert compiled(_next)(1) == 2
  path.write_bytes(b'')
  assert compiled(_next)(1) == 2
