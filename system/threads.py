"""Threads that work ahead, with results in order.

TensorFlow's and Numba's functions release Python's global lock, so that threads
use all cores, and share one vocabulary and one copy of TensorFlow.
"""

import collections
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar('_T')
_R = TypeVar('_R')


def num_cores() -> int:
  """Returns how many CPU cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1  # macOS has no affinity.


def ordered_map(
  pool: Executor,
  num_ahead: int,
  function: Callable[[_T], _R],
  items: Iterable[_T],
) -> Iterator[_R]:
  """Maps a function over items in a pool, and yields the results in order.

  Args:
    pool: does the work.
    num_ahead: how many results may wait to be taken; it bounds the memory.
    function: what to do.
    items: to what; read as they are needed.
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
  """Yields items, none of them None; the next one is made in the meantime."""
  with ThreadPoolExecutor(1) as thread:
    future = thread.submit(next, items, None)
    while (item := future.result()) is not None:
      future = thread.submit(next, items, None)
      yield item
