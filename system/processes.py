"""Processes for Python code that holds the global lock.

They are forked from a small server process, without TensorFlow. A few of them
suffice: the threads of `system.threads` do everything that releases the lock.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from absl import logging

from system.errors import UserError

# With fewer cores, the lock does not limit threads.
MIN_CORES = 4


@contextlib.contextmanager
def process_pool(
  num_workers: int, modules: Sequence[str]
) -> Iterator[Executor]:
  """Starts processes on demand, and ends them with the context.

  They end with this process, too, even if it is killed. They log errors only.

  Args:
    num_workers: the most processes.
    modules: the modules that they need.

  Raises:
    UserError: a process was killed.
  """
  context = multiprocessing.get_context('forkserver')
  context.set_forkserver_preload(list(modules))
  pool = ProcessPoolExecutor(num_workers, context, _begin)
  try:
    yield pool
  except BrokenProcessPool as error:
    raise UserError(
      'a process that reads text has ended abruptly; did the system run out of '
      'memory? Fewer `num_workers` take less'
    ) from error
  finally:
    pool.shutdown(cancel_futures=True)


def _begin() -> None:
  """Prepares a process of the pool."""
  # Ctrl-C reaches all processes of a terminal; the first one ends the others.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  logging.set_verbosity(logging.ERROR)
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
  multiprocessing.parent_process().join()
  os._exit(1)
