"""Compiles functions with Numba and caches the machine code on disk.

Compiled functions release Python's global lock, so that threads of one process
use all cores. A process per core would import TensorFlow once per core.
"""

import contextlib
from collections.abc import Callable
from typing import TypeVar

import numba
from numba.core.caching import FunctionCache

_F = TypeVar('_F', bound=Callable)


class _OptionalCache(FunctionCache):
  """Numba's cache, but failures only mean that a function compiles again.

  The disk may be full, or a cached file damaged; loading that can raise any
  exception.
  """

  def load_overload(self, *args):
    with contextlib.suppress(Exception):
      return super().load_overload(*args)
    return None

  def save_overload(self, *args):
    with contextlib.suppress(Exception):
      super().save_overload(*args)


def compiled(function: _F) -> _F:
  """Compiles a function at its first call; later processes load the result.

  Without a writable cache folder (a read-only container, a user without a home)
  each process compiles it again.
  """
  dispatcher = numba.njit(nogil=True)(function)
  with contextlib.suppress(RuntimeError):
    dispatcher._cache = _OptionalCache(function)
  return dispatcher
