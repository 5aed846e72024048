"""Processes that work in turn, a short while each, and wait in between."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import processes
from contest import environment

from data.errors import UserError

_WORKER = os.path.join(os.path.dirname(__file__), 'training_worker.py')
_MOST_WARM_UPS = 50


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

  def work(self) -> None:
    """Runs one round."""
    if not self.failure:
      done = self._run(self._num_steps)
      if not self.failure:
        self.rounds.append(done)

  def _run(self, num_steps: int) -> dict:
    try:
      print(num_steps, file=self._process.stdin, flush=True)
    except BrokenPipeError:
      pass  # Its last words tell more.
    return self._answer()

  def _answer(self) -> dict:
    line = self._process.stdout.readline()
    if line:
      return json.loads(line)
    self.failure = processes.failure(self._process.wait(), self._log_path)
    return {}


def alternate(
  workers: Sequence[Worker], num_rounds: int, round_seconds: float
) -> None:
  """Lets all work in turn, so that other load on the machine meets all.

  Raises:
    UserError: the first, which the others are compared with, fails.
  """
  for worker in workers:
    worker.warm_up(round_seconds)
  for _ in range(num_rounds):
    for worker in workers:
      worker.work()
  if workers[0].failure:
    raise UserError(f'{workers[0].title} failed: {workers[0].failure}')
