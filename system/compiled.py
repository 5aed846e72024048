"""Functions that Numba compiles to machine code.

They release Python's global lock, so that threads of one process use all cores:
a process for each core would import TensorFlow for each core.
"""

import contextlib
from collections.abc import Callable
from typing import TypeVar

import numba
from numba.core.caching import FunctionCache

_F = TypeVar('_F', bound=Callable)


class _Cache(FunctionCache):
  """Goes without where the disk is full, or what it kept is damaged; that may
  raise anything."""

  def load_overload(self, *what):
    with contextlib.suppress(Exception):
      return super().load_overload(*what)
    return None

  def save_overload(self, *what):
    with contextlib.suppress(Exception):
      super().save_overload(*what)


def compiled(function: _F) -> _F:
  """Compiles a function at its first call; later processes load the result.

  Where there is no folder to keep it (a container whose files are read-only, a
  user without a home), it is compiled again in each process.
  """
  dispatcher = numba.njit(nogil=True)(function)
  with contextlib.suppress(RuntimeError):
    dispatcher._cache = _Cache(function)
  return dispatcher
