"""Maps functions over items in threads, with the results in order.

TensorFlow's and Numba's functions release Python's global lock, so threads use
all cores while sharing one vocabulary and one copy of TensorFlow.
"""

import collections
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

# Storage such as gs:// answers each request late.
_NUM_REQUESTS = 16
_T = TypeVar('_T')
_R = TypeVar('_R')


def num_cores() -> int:
  """Returns how many CPU cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1  # macOS has no affinity.


def concurrent_map(
  function: Callable[[_T], _R], items: Iterable[_T]
) -> list[_R]:
  """Maps a function over items that it mainly waits for, such as remote files.

  Raises:
    Exception: what the function raises for the first such item.
  """
  with ThreadPoolExecutor(_NUM_REQUESTS) as pool:
    return list(pool.map(function, items))


def ordered_map(
  pool: Executor,
  num_ahead: int,
  function: Callable[[_T], _R],
  items: Iterable[_T],
) -> Iterator[_R]:
  """Maps a function over items in a pool, and yields the results in order.

  Args:
    pool: runs the function.
    num_ahead: the most results computed before they are needed; bounds memory.
    function: maps an item to a result.
    items: read lazily.
  """
  pending = collections.deque()
  try:
    for item in items:
      pending.append(pool.submit(function, item))
      if len(pending) > num_ahead:
        yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  finally:
    for future in pending:
      future.cancel()


def one_ahead(items: Iterator[_T]) -> Iterator[_T]:
  """Yields items and prepares the next one meanwhile, in a thread.

  Args:
    items: must not contain None.
  """
  with ThreadPoolExecutor(1) as thread:
    future = thread.submit(next, items, None)
    while (item := future.result()) is not None:
      future = thread.submit(next, items, None)
      yield item
