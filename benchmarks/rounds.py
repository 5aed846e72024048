"""Processes that work in turn, a short while each, and wait in between."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import processes
import psutil
from contest import environment

from system.errors import UserError

_WORKER = os.path.join(os.path.dirname(__file__), 'training_worker.py')
_MOST_WARM_UPS = 50

# The share of the machine's CPU time that others may take, and how long one
# looks, in seconds.
_QUIET = 0.05
_LOOK = 0.3


class Worker:
  """A contestant's process, which has done one step when it is made.

  Attributes:
    title: how tables call it.
    start: what its start took, as `training_worker` tells it.
    rounds: what each of its rounds took, likewise.
    failure: why it takes no further part, or ''.
  """

  def __init__(self, title: str, arguments: Sequence[str], log_path: str):
    self.title = title
    self.rounds: list[dict] = []
    self.start: dict = {}
    self.failure = ''
    self._num_steps = 1
    self._log_path = log_path
    with open(log_path, 'wb') as log:
      self._process = subprocess.Popen(
        [sys.executable, _WORKER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment(),
        text=True,
      )
    self.start = self._answer()

  def __enter__(self) -> 'Worker':
    return self

  def __exit__(self, *error) -> None:
    self._process.kill()
    self._process.communicate()

  def warm_up(self, round_seconds: float) -> None:
    """Runs until a step takes no less than the last; plans its rounds."""
    fastest = float('inf')
    for _ in range(_MOST_WARM_UPS):
      done = self._run(self._num_steps)
      if self.failure:
        return
      seconds = done['seconds'] / done['steps']
      self._num_steps = max(1, round(round_seconds / seconds))
      if seconds > 0.9 * fastest and done['steps'] > self._num_steps / 2:
        return
      fastest = min(fastest, seconds)

  def work(self, patience: float) -> None:
    """Runs one round, again while others disturb it, for so many seconds."""
    end = time.monotonic() + patience
    while not self.failure:
      _wait_for_quiet(end)
      done = self._run(self._num_steps)
      if done and (done['others'] < _QUIET or time.monotonic() > end):
        self.rounds.append(done)
        return

  def _run(self, num_steps: int) -> dict:
    busy, start = _busy_seconds(), time.perf_counter()
    with contextlib.suppress(BrokenPipeError):  # Its last words tell more.
      print(num_steps, file=self._process.stdin, flush=True)
    done = self._answer()
    if done:
      others = _busy_seconds() - busy - done['cpu_seconds']
      seconds = time.perf_counter() - start
      done['others'] = max(0.0, others / seconds / os.cpu_count())
    return done

  def _answer(self) -> dict:
    line = self._process.stdout.readline()
    if line:
      return json.loads(line)
    self.failure = processes.failure(self._process.wait(), self._log_path)
    return {}


def _busy_seconds() -> float:
  """Returns the CPU time that all have used up since the machine's start."""
  times = psutil.cpu_times()
  return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


def _wait_for_quiet(end: float) -> None:
  """Waits until nobody uses the machine, or till a point in time."""
  while time.monotonic() < end:
    busy = _busy_seconds()
    time.sleep(_LOOK)
    if (_busy_seconds() - busy) / _LOOK / os.cpu_count() < _QUIET:
      return


def alternate(
  workers: Sequence[Worker],
  num_rounds: int,
  round_seconds: float,
  patience: float,
) -> None:
  """Lets all work in turn, so that other load on the machine meets all.

  Args:
    workers: who takes part.
    num_rounds: how many turns each has.
    round_seconds: how long a turn takes, one step at the least.
    patience: how many seconds a turn waits, and is taken again, if others are
      busy.

  Raises:
    UserError: the first, which the others are compared with, fails.
  """
  for worker in workers:
    worker.warm_up(round_seconds)
  for _ in range(num_rounds):
    for worker in workers:
      worker.work(patience)
  if workers[0].failure:
    raise UserError(f'{workers[0].title} failed: {workers[0].failure}')
