"""Runs a list of steps: one process for each, with a log and a time.

Several jobs share this machine's cores. Several lists, of one machine or of
machines that share a file system with locks, may have steps in common: each is
made by one of them, and the others wait for it.

A signal to the list is passed on to its commands, once: they save and end. If
the list itself is killed, Linux sends SIGTERM to its commands.
"""

import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import tqdm

from system import (
  child_process,
  exit_status,
  file_locks,
  local_files,
  stop_request,
)
from system.errors import Stopped, Unavailable, UserError
from system.log_echo import LogEcho
from system.steps import Step, to_run
from system.threads import num_cores

_as_duration = tqdm.tqdm.format_interval

# The last lines of a failed command's log that are printed.
_LINES_OF_FAILURE = 12
# Between two looks at steps that another list makes.
_SECONDS_BETWEEN_LOOKS = 2.0


def run(
  steps: Iterable[Step],
  log_dir: str,
  num_jobs: int = 1,
  shows_output: bool = False,
) -> None:
  """Runs the steps that are not done, and what they need.

  Prints a line when a step starts and ends, with the time left as the finished
  steps suggest it. A failed step does not stop the steps that do not need it.

  Args:
    steps: what to run, in the order of preference.
    log_dir: takes a log of each command.
    num_jobs: how many commands run at the same time; they share the cores. A
      command that all others wait for has all cores.
    shows_output: for steps one after another: whether to print what the
      commands write to their logs, and to end with the first failure.

  Raises:
    UserError: a command failed; the message names all failed ones and their
      logs.
    Unavailable: a command stopped by itself, and is to be started again.
    Stopped: SIGTERM or Ctrl-C stopped the list, and its commands have ended.
  """
  steps = list(steps)
  if shows_output:
    runner = ShownRunner(steps, log_dir)
  else:
    runner = Runner(steps, log_dir, num_jobs)
  with stop_request.listener(runner.stop):
    runner.run()
  if stop_request.was_made():
    raise Stopped('the commands have saved and ended')


def was_begun(step: Step, log_dir: str) -> bool:
  """Returns whether `run` began a step with this folder of logs, unfinished."""
  return os.path.exists(seconds_file(_log(step, log_dir)))


def forget_tries(step: Step, log_dir: str) -> None:
  """Forgets that `run` began a step, because it was made otherwise."""
  with contextlib.suppress(FileNotFoundError):
    os.remove(seconds_file(_log(step, log_dir)))


@contextlib.contextmanager
def unless_running(step: Step, log_dir: str) -> Iterator[bool]:
  """Yields whether no `run` makes a step; none begins it until the block ends.

  Args:
    step: the step.
    log_dir: as for `run`.
  """
  try:
    lock = _lock(step, log_dir)
  except BlockingIOError:
    yield False
    return
  with lock or contextlib.nullcontext():
    yield True


def _log(step: Step, log_dir: str) -> str:
  return os.path.join(log_dir, f'{step.name}.log')


def _lock(step: Step, log_dir: str) -> TextIO | None:
  """Locks a step until the file is closed; None if there are no locks.

  Raises:
    BlockingIOError: another list makes the step.
  """
  path = f'{_log(step, log_dir).removesuffix(".log")}.lock'
  os.makedirs(os.path.dirname(path), exist_ok=True)
  return file_locks.acquire(path, '')


class Runner:
  """Runs a list of steps, several at a time."""

  def __init__(self, steps: Sequence[Step], log_dir: str, num_jobs: int):
    """Takes the steps.

    Args:
      steps: what to run.
      log_dir: takes a log of each command.
      num_jobs: how many commands run at the same time.
    """
    self._wanted = steps
    self._log_dir = log_dir
    self._num_jobs = num_jobs
    self._num_steps = len(to_run(steps))
    self._num_done = 0
    # Steps that were done before, if they count.
    self._num_before = 0
    # The names of the steps that this list has begun.
    self._begun: set[str] = set()
    # Whether a step that could begin is being made by another list.
    self._is_waiting = False
    # The names of the steps of other lists that were named.
    self._named: set[str] = set()
    self._failed: list[str] = []
    # The names of the steps that ended to be started again.
    self._stopped: list[str] = []
    self._processes: set[subprocess.Popen] = set()
    # Set: no other command begins.
    self._is_ending = threading.Event()
    # Set: the commands in progress were asked to end.
    self._is_stopping = threading.Event()
    self._begin = time.monotonic()

  def run(self) -> None:
    """Runs all steps.

    Raises:
      UserError: a command failed.
      Unavailable: a command stopped by itself.
    """
    running: dict[concurrent.futures.Future, Step] = {}
    pool = concurrent.futures.ThreadPoolExecutor(self._num_jobs)
    try:
      while True:
        begun = self._next(self._num_jobs - len(running))
        # A step that begins alone stays alone: the others need it.
        is_alone = len(running) + len(begun) == 1 and not self._is_waiting
        for step, lock in begun:
          running[pool.submit(self._run_step, step, lock, is_alone)] = step
        if running:
          self._wait_for_one(running)
        elif self._is_waiting:
          self._is_ending.wait(_SECONDS_BETWEEN_LOOKS)
        else:
          break
    finally:
      self.stop()
      pool.shutdown()
    if not stop_request.was_made():
      self._raise_if_failed()

  def _wait_for_one(
    self, running: dict[concurrent.futures.Future, Step]
  ) -> None:
    """Waits until a step ends, or until it is time to look at other lists."""
    ended, _ = concurrent.futures.wait(
      running,
      _SECONDS_BETWEEN_LOOKS if self._is_waiting else None,
      concurrent.futures.FIRST_COMPLETED,
    )
    for future in ended:
      del running[future]
      future.result()

  def stop(self) -> None:
    """Asks the commands in progress to end, and starts no others."""
    self._is_ending.set()
    if not self._is_stopping.is_set():
      self._is_stopping.set()
      for process in list(self._processes):
        process.terminate()

  def _next(self, num_free: int) -> list[tuple[Step, TextIO | None]]:
    """Takes the next steps whose needs are done, each with its lock."""
    self._is_waiting = False
    if self._is_ending.is_set():
      self._wanted = []
    waiting = self._waiting()
    # Other lists may have made some.
    self._num_steps = self._num_before + len(self._begun) + len(waiting)
    taken: list[tuple[Step, TextIO | None]] = []
    for step in waiting:
      if len(taken) == num_free:
        break
      if not all(need.is_done for need in step.needs):
        continue
      try:
        lock = _lock(step, self._log_dir)
      except BlockingIOError:
        self._is_waiting = True
        if step.name not in self._named:
          self._named.add(step.name)
          self._say(f'{step.name} is being made by another list')
        continue
      if step.is_done:  # Another list has just made it.
        if lock:
          lock.close()
        continue
      self._begun.add(step.name)
      taken.append((step, lock))
    return taken

  def _waiting(self) -> list[Step]:
    """Returns the steps that are left to begin, as things stand."""
    return [x for x in to_run(self._wanted) if x.name not in self._begun]

  def _run_step(self, step: Step, lock: TextIO | None, is_alone: bool) -> None:
    """Runs a step, and then frees its lock."""
    with lock or contextlib.nullcontext():
      self._run_locked(step, is_alone)

  def _run_locked(self, step: Step, is_alone: bool) -> None:
    log = _log(step, self._log_dir)
    for path in (log, step.done):
      os.makedirs(os.path.dirname(path), exist_ok=True)
    self._announce(step)
    tries = _Tries(log)
    begin = time.monotonic()
    status = self._run_command(step, log, is_alone)
    seconds = tries.end(time.monotonic() - begin)
    if status in exit_status.RESUMABLE or (
      status and self._is_stopping.is_set()
    ):
      self._is_ending.set()
      self._stopped.append(step.name)
      return
    reason = f'ended with status {status}' if status else ''
    if not reason and step.finish:
      reason = _finish(step, seconds)
    if not reason and not step.is_done:
      reason = f'made no {step.done}'
    if reason:
      self._report_failure(step, log, reason)
      return
    tries.forget()
    self._num_done += 1
    took = 'is done' if seconds is None else f'took {_as_duration(seconds)}'
    self._say(f'{step.name} {took}{self._time_left()}')

  def _announce(self, step: Step) -> None:
    self._say(f'{step.name} begins')

  def _wait(self, process: subprocess.Popen, echo: LogEcho) -> int:
    """Waits for a command; returns its exit status.

    Args:
      process: the command.
      echo: can print what the command writes to its log; not used here.
    """
    return process.wait()

  def _run_command(self, step: Step, log: str, is_alone: bool) -> int:
    """Returns the exit status of a command, which may use all cores."""
    environment = {**os.environ, 'PYTHON': sys.executable}
    if not is_alone:
      threads = max(num_cores() // self._num_jobs, 1)
      environment.setdefault('TF_NUM_INTRAOP_THREADS', str(threads))
    with open(log, 'ab') as file:
      file.write(f'+ {step.shell_command()}\n'.encode())
      file.flush()
      echo = LogEcho(log, step.name, file.tell())
      process = child_process.start(step.words(), file, environment)
      self._processes.add(process)
      if self._is_stopping.is_set():
        process.terminate()
      status = self._wait(process, echo)
      self._processes.discard(process)
    return status

  def _report_failure(self, step: Step, log: str, reason: str) -> None:
    self._say('\n'.join([f'{step.name} {reason}:', *self._end_of(log)]))
    self._failed.append(f'{step.name} {reason}; its log is {log}')

  def _end_of(self, log: str) -> list[str]:
    with open(log, encoding='utf-8', errors='replace') as file:
      return file.read().splitlines()[-_LINES_OF_FAILURE:]

  def _raise_if_failed(self) -> None:
    left = [step.name for step in self._waiting()]
    ended = [*self._failed, *(f'{name} was stopped' for name in self._stopped)]
    if ended:
      waiting = f'. {len(left)} steps wait for them' if left else ''
      kind = UserError if self._failed else Unavailable
      raise kind('; '.join(ended) + waiting)
    if left:
      raise ValueError(f'no step makes what these need: {", ".join(left)}')

  def _time_left(self) -> str:
    left = self._num_steps - self._num_done
    if not left:
      return ''
    each = (time.monotonic() - self._begin) / self._num_done
    return f'; {left} steps, about {_as_duration(each * left)}, are left'

  def _say(self, text: str) -> None:
    now = time.strftime('%H:%M:%S')
    place = f'{now} [{self._num_done}/{self._num_steps}]'
    # One write, because several threads print.
    print(f'{place} {text}\n', end='', flush=True)


class ShownRunner(Runner):
  """Runs steps one after another, shows their output, ends with a failure."""

  def __init__(self, steps: Sequence[Step], log_dir: str):
    """Takes the steps; as for `Runner`."""
    super().__init__(steps, log_dir, num_jobs=1)
    self._num_done = self._num_before = len(steps) - self._num_steps
    self._num_steps = len(steps)

  def _announce(self, step: Step) -> None:
    number = f'stage {self._num_done + 1} of {self._num_steps}'
    self._say(f'{number}, {step.name}: {step.title}')

  def _wait(self, process: subprocess.Popen, echo: LogEcho) -> int:
    return echo.follow(process)

  def _report_failure(self, step: Step, log: str, reason: str) -> None:
    super()._report_failure(step, log, reason)
    self._is_ending.set()

  def _end_of(self, log: str) -> list[str]:
    return []  # It was shown.

  def _time_left(self) -> str:
    return ''  # The plan has said how long each stage takes.

  def _say(self, text: str) -> None:
    print(f'{time.strftime("%H:%M:%S")} {text}', flush=True)


def seconds_file(log: str) -> str:
  """Returns the file next to a log with the seconds of unfinished tries."""
  return f'{log.removesuffix(".log")}.seconds.json'


class _Tries:
  """The seconds of a step's tries so far, in a file next to its log.

  While a try runs, the file holds null. So the sum is unknown, not too small,
  after a try that was killed together with the list.
  """

  def __init__(self, log: str):
    """Begins a try of the step with a log."""
    self._path = seconds_file(log)
    self._before: float | None = 0
    if os.path.exists(self._path):
      with open(self._path, encoding='utf-8') as file:
        content = file.read()
      try:
        self._before = json.loads(content)
      except ValueError:  # A power cut can leave an empty file.
        self._before = None
    self._write(None)

  def end(self, seconds: float) -> float | None:
    """Ends the try; returns the seconds of all tries, or None if unknown."""
    total = None if self._before is None else self._before + seconds
    self._write(total)
    return total

  def forget(self) -> None:
    """Forgets the tries: the step is done."""
    with contextlib.suppress(FileNotFoundError):  # Without locks, by another.
      os.remove(self._path)

  def _write(self, seconds: float | None) -> None:
    rounded = None if seconds is None else round(seconds, 1)
    local_files.write(self._path, json.dumps(rounded))


def _finish(step: Step, seconds: float | None) -> str:
  """Finishes a step; returns what is wrong with its result, or ''."""
  try:
    step.finish(seconds)
  except UserError as error:
    return f'has no result: {error}'
  return ''
