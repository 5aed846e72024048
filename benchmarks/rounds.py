"""Worker processes that take turns, so that other load affects all of them.

Tested by `tests/benchmarks/training_test.py`.
"""

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

import psutil

from benchmarks import processes
from system.errors import UserError

_MAX_WARM_UPS = 50

# An answer may come this much later than the deadline, because a turn may begin
# just before it. A longer wait than `_FOREVER` has no limit.
_GRACE_SECONDS = 5.0
_FOREVER = 1e6

# The highest share of the machine's CPU time that other processes may use
# during a round, and the seconds over which it is measured before a round.
_MAX_OTHER_LOAD = 0.05
_SAMPLE_SECONDS = 0.3


class Worker:
  """A contestant's process.

  Attributes:
    title: its name in tables.
    start: the import and first-step times that `training_worker` reports; {}
      until the first step is done.
    rounds: the measurements of its rounds, as `training_worker` reports them,
      and the share 'others' of other processes in the machine's CPU time.
    failure: why it dropped out; '' if it did not.
  """

  def __init__(
    self,
    title: str,
    arguments: Sequence[str],
    log_path: str,
    environment: Mapping[str, str],
  ):
    """Starts the process.

    Args:
      title: its name in tables.
      arguments: the arguments of `training_worker`.
      log_path: the file for what the process logs.
      environment: its environment variables.
    """
    self.title = title
    self.start: dict = {}
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
        env=environment,
        text=True,
      )

  def __enter__(self) -> 'Worker':
    return self

  def __exit__(self, *error) -> None:
    self._process.kill()
    # Children of the worker, which may outlive it, hold the pipes open.
    with contextlib.suppress(BrokenPipeError):
      self._process.stdin.close()
    self._process.stdout.close()
    self._process.wait()

  def wait_for_first_step(self, deadline: float) -> None:
    """Waits for the first step, at most until `deadline`."""
    self.start = self._answer(deadline)

  def warm_up(self, round_seconds: float, deadline: float) -> None:
    """Runs until steps get no faster; sets the number of steps per round."""
    fastest = float('inf')
    for _ in range(_MAX_WARM_UPS):
      if self.failure:
        return
      measured = self._run_steps(deadline)
      if self.failure or time.monotonic() > deadline:
        return
      seconds = measured['seconds'] / measured['steps']
      self._num_steps = max(1, round(round_seconds / seconds))
      is_long = measured['steps'] > self._num_steps / 2
      if seconds > 0.9 * fastest and is_long:
        return
      fastest = min(fastest, seconds)

  def run_round(self, patience: float, deadline: float) -> None:
    """Runs one round; for `patience` seconds, repeats it if it is disturbed."""
    patient_until = time.monotonic() + patience
    while not self.failure:
      _wait_for_quiet(patient_until)
      measured = self._run_steps(deadline)
      if measured and (
        measured['others'] < _MAX_OTHER_LOAD or time.monotonic() > patient_until
      ):
        self.rounds.append(measured)
        return

  def _run_steps(self, deadline: float) -> dict:
    """Runs the steps of a round; returns {} if the process fails."""
    busy, start = _busy_seconds(), time.perf_counter()
    # If the process has died, its log explains more than a broken pipe.
    with contextlib.suppress(BrokenPipeError):
      print(self._num_steps, file=self._process.stdin, flush=True)
    measured = self._answer(deadline)
    if measured:
      others = _busy_seconds() - busy - measured['cpu_seconds']
      seconds = time.perf_counter() - start
      measured['others'] = max(0.0, others / seconds / os.cpu_count())
    return measured

  def _answer(self, deadline: float) -> dict:
    """Returns the next answer; {} if the process fails or is too slow."""
    stdout = self._process.stdout
    # An answer is one line, so none is left in the buffer of `stdout`.
    seconds = max(0.0, deadline - time.monotonic()) + _GRACE_SECONDS
    if seconds < _FOREVER and not select.select([stdout], [], [], seconds)[0]:
      self._process.kill()
      self._process.wait()
      self.failure = f'no answer in time: see {self._log_path}'
      return {}
    line = stdout.readline()
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
  deadline: float = math.inf,
) -> None:
  """Runs rounds of all workers alternately.

  Args:
    workers: the workers; the others are compared with the first.
    num_rounds: the number of rounds of each worker.
    round_seconds: the duration of a round, which has at least one step.
    patience: the seconds for which each round waits, and is repeated, while
      other processes are busy.
    deadline: the value of `time.monotonic` after which no round begins. A
      worker that does not answer by then drops out.

  Raises:
    UserError: the first worker fails, or finishes no round.
  """
  ours = workers[0]
  for worker in workers:
    if not ours.failure:
      worker.warm_up(round_seconds, deadline)
  for _ in range(num_rounds):
    if ours.failure or time.monotonic() > deadline:
      break
    for worker in workers:
      worker.run_round(patience, deadline)
  if ours.failure:
    raise UserError(f'{ours.title} failed: {ours.failure}')
  if not ours.rounds:
    raise UserError('the time ran out before the first round')


def start(
  workers: Iterable[Worker], at_once: bool, deadline: float = math.inf
) -> list[Worker]:
  """Starts workers and waits for their first steps.

  Args:
    workers: starts each worker when it is drawn.
    at_once: whether they start side by side, which disturbs the times of their
      first steps, or each when the one before has done its first step.
    deadline: as for `alternate`.
  """
  started = []
  for worker in workers:
    started.append(worker)
    if not at_once:
      worker.wait_for_first_step(deadline)
  if at_once:
    for worker in started:
      worker.wait_for_first_step(deadline)
  return started
