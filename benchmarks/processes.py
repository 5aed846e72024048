"""Runs a command and measures it together with all its descendants."""

import dataclasses
import os
import pathlib
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Collection

import psutil

ROOT = str(pathlib.Path(__file__).resolve().parents[1])

# Seconds between two memory samples. A sample takes CPU time in proportion to
# the memory, so the pause is at least `_PAUSE` times as long as the sample.
_INTERVAL = 0.1
_PAUSE = 50


@dataclasses.dataclass(frozen=True)
class Usage:
  """The resources that a command used.

  Attributes:
    seconds: wall time from its start to its end.
    cpu_seconds: user and system time of it and all processes it waited for.
    peak_bytes: peak memory of it and its descendants together.
    failure: its status and the last line of its output; '' if it succeeded.
  """

  seconds: float
  cpu_seconds: float
  peak_bytes: int
  failure: str


def environment(without: Collection[str] = ()) -> dict[str, str]:
  """Returns the environment variables for the benchmarks' processes.

  PYTHONPATH includes the project, and TensorFlow does not log missing GPUs.
  Processes share a GPU: TensorFlow takes its memory as it needs it. The
  transformers of version 4 do not import TensorFlow.

  Args:
    without: variables of this process that they do not inherit.
  """
  kept = {k: v for k, v in os.environ.items() if k not in without}
  paths = [ROOT, *filter(None, [kept.get('PYTHONPATH')])]
  return kept | {
    'PYTHONPATH': os.pathsep.join(paths),
    'TF_CPP_MIN_LOG_LEVEL': '3',
    'TF_FORCE_GPU_ALLOW_GROWTH': 'true',
    'USE_TF': '0',
  }


def run(command: list[str], log_path: str) -> Usage:
  """Runs a command in `environment` to its end, successful or not.

  Args:
    command: the program and its arguments.
    log_path: the file for everything that it prints.
  """
  with open(log_path, 'wb') as log:
    start = time.perf_counter()
    process = subprocess.Popen(
      command,
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      env=environment(),
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
    peak_bytes=max(peak.bytes, _largest_process_bytes(used)),
    failure=failure(process.returncode, log_path),
  )


def _largest_process_bytes(used: resource.struct_rusage) -> int:
  """Returns the peak memory of a tree's largest process, 0 if unknown.

  Between fork and exec a child has the memory of this process, and the kernel
  counts it. Then the number says nothing about the child's program.
  """
  parent = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return used.ru_maxrss * 1024 if used.ru_maxrss > parent else 0


class _PeakMemory:
  """Samples the memory of a tree of processes in a thread.

  Linux divides pages among the processes that share them ("PSS"), so the sum
  over the tree counts each page once. But processes outside the tree share
  libraries, too: while another TensorFlow process runs, the tree looks smaller
  than it is. For a single process, the kernel's `ru_maxrss` corrects that.
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
  except psutil.Error:  # The process has ended.
    return 0
  return sum(map(_process_bytes, tree))


def _process_bytes(process: psutil.Process) -> int:
  try:
    return process.memory_full_info().pss
  except psutil.Error:
    return 0


def failure(status: int, log_path: str) -> str:
  """Returns '' for status 0, else the status and the log's last line."""
  if not status:
    return ''
  with open(log_path, errors='replace') as log:
    lines = [line.strip() for line in log if line.strip()]
  cause = signal.Signals(-status).name if status < 0 else f'status {status}'
  return f'{cause}: {lines[-1]}' if lines else cause
