"""Compiles functions with Numba and caches the machine code on disk.

Compiled functions release Python's global lock, so that threads of one process
use all cores. A process per core would import TensorFlow once per core.
"""

import contextlib
import functools
import inspect
import pathlib
import sys
from collections.abc import Callable
from typing import TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

_F = TypeVar('_F', bound=Callable)


class _OptionalCache(FunctionCache):
  """Numba's cache, but failures only mean that a function compiles again.

  The disk may be full, or a cached file damaged; loading that can raise any
  exception.

  A change of any module of the function's package empties it: machine code
  contains the functions that it calls, and the constants, of other modules.
  Numba itself looks only at the function's own file.
  """

  def __init__(self, function: Callable):
    """Opens the cache of a function."""
    super().__init__(function)
    self._cache_file = IndexDataCacheFile(
      cache_path=self._cache_path,
      filename_base=self._impl.filename_base,
      source_stamp=_stamp(_package_folder(function)),
    )

  def load_overload(self, *args):
    with contextlib.suppress(Exception):
      return super().load_overload(*args)
    return None

  def save_overload(self, *args):
    with contextlib.suppress(Exception):
      super().save_overload(*args)


def _package_folder(function: Callable) -> pathlib.Path:
  """Returns the folder of a function's topmost package, or of its file."""
  package, _, inner = function.__module__.partition('.')
  if inner and (paths := getattr(sys.modules[package], '__path__', None)):
    return pathlib.Path(paths[0])
  return pathlib.Path(inspect.getfile(function)).parent


@functools.cache
def _stamp(folder: pathlib.Path) -> tuple[tuple[str, int, int], ...]:
  """Returns path, time of change and size of each module below a folder."""
  stamps = []
  for path in sorted(folder.rglob('*.py')):
    # An editor's lock is a link to nothing.
    with contextlib.suppress(OSError):
      stat = path.stat()
      stamps.append((str(path), stat.st_mtime_ns, stat.st_size))
  return tuple(stamps)


def jit(function: _F) -> _F:
  """Compiles a function at its first call; later processes load the result.

  Without a writable cache folder (a read-only container, a user without a home)
  each process compiles it again.
  """
  dispatcher = numba.njit(nogil=True)(function)
  with contextlib.suppress(RuntimeError):
    dispatcher._cache = _OptionalCache(function)
  return dispatcher
