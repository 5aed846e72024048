"""Worker processes that take turns, so that other load affects all of them.

Tested by `tests/benchmarks/training_test.py`.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

from benchmarks import processes
from system.errors import UserError

_MAX_WARM_UPS = 50

# The highest share of the machine's CPU time that other processes may use
# during a round, and the seconds over which it is measured before a round.
_MAX_OTHER_LOAD = 0.05
_SAMPLE_SECONDS = 0.3


class Worker:
  """A contestant's process; it has done one step when it is created.

  Attributes:
    title: its name in tables.
    start: the import and first-step times that `training_worker` reports.
    rounds: the measurements of its rounds, as `training_worker` reports them,
      and the share 'others' of other processes in the machine's CPU time.
    failure: why it dropped out; '' if it did not.
  """

  def __init__(self, title: str, arguments: Sequence[str], log_path: str):
    """Starts the process and waits for its first step.

    Args:
      title: its name in tables.
      arguments: the arguments of `training_worker`.
      log_path: the file for what the process logs.
    """
    self.title = title
    self.rounds: list[dict] = []
    self.failure = ''
    self._num_steps = 1
    self._log_path = log_path
    with open(log_path, 'wb') as log:
      self._process = subprocess.Popen(
        [sys.executable, '-m', 'benchmarks.training_worker', *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=processes.environment(),
        text=True,
      )
    self.start = self._answer()

  def __enter__(self) -> 'Worker':
    return self

  def __exit__(self, *error) -> None:
    self._process.kill()
    self._process.communicate()

  def warm_up(self, round_seconds: float) -> None:
    """Runs until steps get no faster; sets the number of steps per round."""
    fastest = float('inf')
    for _ in range(_MAX_WARM_UPS):
      measured = self._run_steps()
      if self.failure:
        return
      seconds = measured['seconds'] / measured['steps']
      self._num_steps = max(1, round(round_seconds / seconds))
      is_long = measured['steps'] > self._num_steps / 2
      if seconds > 0.9 * fastest and is_long:
        return
      fastest = min(fastest, seconds)

  def run_round(self, patience: float) -> None:
    """Runs one round; for `patience` seconds, repeats it if it is disturbed."""
    deadline = time.monotonic() + patience
    while not self.failure:
      _wait_for_quiet(deadline)
      measured = self._run_steps()
      if measured and (
        measured['others'] < _MAX_OTHER_LOAD or time.monotonic() > deadline
      ):
        self.rounds.append(measured)
        return

  def _run_steps(self) -> dict:
    """Runs the steps of a round; returns {} if the process fails."""
    busy, start = _busy_seconds(), time.perf_counter()
    # If the process has died, its log explains more than a broken pipe.
    with contextlib.suppress(BrokenPipeError):
      print(self._num_steps, file=self._process.stdin, flush=True)
    measured = self._answer()
    if measured:
      others = _busy_seconds() - busy - measured['cpu_seconds']
      seconds = time.perf_counter() - start
      measured['others'] = max(0.0, others / seconds / os.cpu_count())
    return measured

  def _answer(self) -> dict:
    line = self._process.stdout.readline()
    if line:
      return json.loads(line)
    self.failure = processes.failure(self._process.wait(), self._log_path)
    return {}


def _busy_seconds() -> float:
  """Returns the CPU time that all processes have used since the boot."""
  times = psutil.cpu_times()
  return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


def _wait_for_quiet(deadline: float) -> None:
  """Waits until other processes are idle, at most until `deadline`."""
  while time.monotonic() < deadline:
    busy = _busy_seconds()
    time.sleep(_SAMPLE_SECONDS)
    load = (_busy_seconds() - busy) / _SAMPLE_SECONDS / os.cpu_count()
    if load < _MAX_OTHER_LOAD:
      return


def alternate(
  workers: Sequence[Worker],
  num_rounds: int,
  round_seconds: float,
  patience: float,
) -> None:
  """Runs rounds of all workers alternately.

  Args:
    workers: the workers; the others are compared with the first.
    num_rounds: the number of rounds of each worker.
    round_seconds: the duration of a round, which has at least one step.
    patience: the seconds for which each round waits, and is repeated, while
      other processes are busy.

  Raises:
    UserError: the first worker fails.
  """
  for worker in workers:
    worker.warm_up(round_seconds)
  for _ in range(num_rounds):
    for worker in workers:
      worker.run_round(patience)
  if workers[0].failure:
    raise UserError(f'{workers[0].title} failed: {workers[0].failure}')
