"""Functions that Numba compiles to machine code.

They release Python's global lock, so that threads of one process use all cores:
a process for each core would import TensorFlow for each core.
"""

from collections.abc import Callable
from typing import TypeVar

import numba

_F = TypeVar('_F', bound=Callable)


def compiled(function: _F) -> _F:
  """Compiles a function at its first call; later processes load the result.

  Where there is no folder to keep it (a container whose files are read-only, a
  user without a home), it is compiled again in each process.
  """
  try:
    return numba.njit(nogil=True, cache=True)(function)
  except RuntimeError:
    return numba.njit(nogil=True)(function)
