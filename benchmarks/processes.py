"""Runs a command start to end and measures it with all its descendants."""

import dataclasses
import os
import resource
import signal
import subprocess
import threading
import time

import psutil

# Seconds between two looks at the memory. One takes CPU time in proportion to
# the memory; the pause after it is at least this many times as long.
_INTERVAL = 0.1
_PAUSE = 50


@dataclasses.dataclass(frozen=True)
class Usage:
  """What a command took.

  Attributes:
    seconds: wall time from its start to its end.
    cpu_seconds: user and system time of it and all it waited for.
    peak_bytes: the most memory that it and its descendants had at one time.
    failure: how it failed and the last line of its output, or ''.
  """

  seconds: float
  cpu_seconds: float
  peak_bytes: int
  failure: str


def run(
  command: list[str], log_path: str, environment: dict[str, str] | None = None
) -> Usage:
  """Runs a command to its end, whatever that is.

  Args:
    command: the program and its arguments.
    log_path: gets all that it prints.
    environment: its variables; this process's if not given.
  """
  with open(log_path, 'wb') as log:
    start = time.perf_counter()
    process = subprocess.Popen(
      command,
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      env=environment,
    )
    try:
      with _PeakMemory(process.pid) as peak:
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    except BaseException:
      process.kill()
      raise
  process.returncode = os.waitstatus_to_exitcode(status)
  return Usage(
    seconds=seconds,
    cpu_seconds=used.ru_utime + used.ru_stime,
    peak_bytes=max(peak.bytes, _largest_bytes(used)),
    failure=failure(process.returncode, log_path),
  )


def _largest_bytes(used: resource.struct_rusage) -> int:
  """Returns the most that a single process of a tree had, 0 if unknown.

  The kernel counts a child from before it became another program, when it had
  the memory of this process.
  """
  own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return used.ru_maxrss * 1024 if used.ru_maxrss > own else 0


class _PeakMemory:
  """Looks again and again how much memory a tree of processes has.

  Pages that processes share are divided among them ("PSS"), so that the sum
  over the tree counts each once. Libraries are shared with the rest of the
  machine, too: beside another TensorFlow, several processes look smaller than
  they are. The largest one's `ru_maxrss`, which the kernel keeps, mends that
  for a single process.
  """

  def __init__(self, pid: int):
    self.bytes = 0
    self._pid = pid
    self._is_over = threading.Event()
    self._thread = threading.Thread(target=self._watch, daemon=True)

  def __enter__(self) -> '_PeakMemory':
    self._thread.start()
    return self

  def __exit__(self, *error) -> None:
    self._is_over.set()
    self._thread.join()

  def _watch(self) -> None:
    pause = 0.0
    while not self._is_over.wait(pause):
      start = time.thread_time()
      self.bytes = max(self.bytes, _tree_bytes(self._pid))
      pause = max(_INTERVAL, _PAUSE * (time.thread_time() - start))


def _tree_bytes(pid: int) -> int:
  try:
    root = psutil.Process(pid)
    tree = [root, *root.children(recursive=True)]
  except psutil.Error:  # It has ended.
    return 0
  return sum(map(_own_bytes, tree))


def _own_bytes(process: psutil.Process) -> int:
  try:
    return process.memory_full_info().pss
  except psutil.Error:
    return 0


def failure(status: int, log_path: str) -> str:
  """Returns '' for status 0, else the status and the last line printed."""
  if not status:
    return ''
  with open(log_path, errors='replace') as log:
    lines = [line.strip() for line in log if line.strip()]
  how = signal.Signals(-status).name if status < 0 else f'status {status}'
  return f'{how}: {lines[-1]}' if lines else how
