"""Runs commands that depend on each other, and skips those that are done.

A recipe or a sweep is a list of steps. A step is done when its file exists; the
scripts write these files last. So an interrupted list continues when it is run
again: finished steps are skipped, and unfinished runs resume. A step that only
unfinished steps need is skipped, too, if those are done.

Several jobs share this machine's cores. For more machines, `to_run` lists the
steps, whose commands a cluster's own scheduler can run.

Tested by `tests/tools/steps_test.py`.
"""

import concurrent.futures
import dataclasses
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import tqdm

from system.errors import UserError
from tools import local_files

_as_duration = tqdm.tqdm.format_interval

# The last lines of a failed command's log that are printed.
_LINES_OF_FAILURE = 12
# Scripts end with these statuses if they are to be started again.
_STOPPED = (75, 130)


@dataclasses.dataclass(frozen=True)
class Step:
  """A command, and the file that shows that it is done.

  Attributes:
    name: unique in a list; a relative path without an ending, which names the
      step's log.
    command: a script of Python or, with the ending .sh, of Bash; or '-m' and a
      module; then its flags.
    done: the file or folder that exists once the step is done.
    needs: the steps that must be done first.
    finish: called with the seconds that the command took, to write `done` if
      the command does not.
  """

  name: str
  command: tuple[str, ...]
  done: str
  needs: tuple['Step', ...] = ()
  finish: Callable[[float], None] | None = None

  @property
  def is_done(self) -> bool:
    """Whether the step's file exists."""
    return os.path.exists(self.done)

  def shell_command(self) -> str:
    """Returns the command as a line for a shell."""
    return shlex.join([self._interpreter('python'), *self.command])

  def words(self) -> list[str]:
    """Returns the words of the command for this interpreter."""
    return [self._interpreter(sys.executable), *self.command]

  def _interpreter(self, python: str) -> str:
    return 'bash' if self.command[0].endswith('.sh') else python


def flag_words(values: dict[str, object]) -> list[str]:
  """Returns settings as the words of a command line.

  Args:
    values: name → value. True gives `--name`, False `--noname`, None nothing.
  """
  words = []
  for name, value in values.items():
    if isinstance(value, bool):
      words.append(f'--{name}' if value else f'--no{name}')
    elif value is not None:
      words.append(f'--{name}={value}')
  return words


def to_run(steps: Iterable[Step]) -> list[Step]:
  """Returns the steps that are not done and all that they need, in order.

  Raises:
    ValueError: two different steps have the same name.
  """
  found: dict[str, Step] = {}

  def add(step: Step) -> None:
    if step.is_done:
      return
    for need in step.needs:
      add(need)
    if found.setdefault(step.name, step).command != step.command:
      raise ValueError(f'two steps are named {step.name}')

  for step in steps:
    add(step)
  return list(found.values())


def run(steps: Iterable[Step], log_dir: str, num_jobs: int = 1) -> None:
  """Runs the steps that are not done, and what they need.

  Prints a line when a step starts and ends, with the time left as the finished
  steps suggest it. A failed step does not stop the steps that do not need it.

  Args:
    steps: what to run, in the order of preference.
    log_dir: takes a log of each command.
    num_jobs: how many commands run at the same time; they share the cores.

  Raises:
    UserError: a command failed; all failed ones and their logs are named. Or a
      command stopped, as SIGTERM or Ctrl-C makes it.
  """
  _Runner(to_run(steps), log_dir, num_jobs).run()


class _Runner:
  """Runs a list of steps."""

  def __init__(self, steps: Sequence[Step], log_dir: str, num_jobs: int):
    self._waiting = list(steps)
    self._log_dir = log_dir
    self._num_jobs = num_jobs
    self._num_steps = len(steps)
    self._num_done = 0
    self._failed: list[str] = []
    self._processes: set[subprocess.Popen] = set()
    self._is_stopping = threading.Event()
    self._begin = time.monotonic()

  def run(self) -> None:
    """Runs all steps; see `run` of the module."""
    running: dict[concurrent.futures.Future, Step] = {}
    pool = concurrent.futures.ThreadPoolExecutor(self._num_jobs)
    try:
      while self._waiting or running:
        for step in self._next(self._num_jobs - len(running)):
          running[pool.submit(self._run_step, step)] = step
        if not running:
          break
        ended, _ = concurrent.futures.wait(
          running, return_when=concurrent.futures.FIRST_COMPLETED
        )
        for future in ended:
          del running[future]
          future.result()
    finally:
      self._is_stopping.set()
      for process in list(self._processes):
        process.terminate()
      pool.shutdown()
    self._raise_if_failed()

  def _next(self, num_free: int) -> list[Step]:
    """Takes the next steps whose needs are done from the waiting ones."""
    if self._is_stopping.is_set():
      self._waiting = []
    ready = [
      step for step in self._waiting if all(need.is_done for need in step.needs)
    ][:num_free]
    for step in ready:
      self._waiting.remove(step)
    return ready

  def _run_step(self, step: Step) -> None:
    log = os.path.join(self._log_dir, f'{step.name}.log')
    for path in (log, step.done):
      os.makedirs(os.path.dirname(path), exist_ok=True)
    self._say(f'{step.name} begins')
    seconds, status = self._run_command(step, log)
    if status in _STOPPED or self._is_stopping.is_set():
      self._is_stopping.set()
      self._failed.append(f'{step.name} was stopped')
      return
    if not status and step.finish:
      step.finish(seconds)
    if status or not step.is_done:
      self._report_failure(step, log, status)
      return
    self._num_done += 1
    self._say(f'{step.name} took {_as_duration(seconds)}{self._time_left()}')

  def _run_command(self, step: Step, log: str) -> tuple[float, int]:
    """Returns the seconds of all tries so far, and this one's exit status."""
    environment = {**os.environ, 'PYTHON': sys.executable}
    if self._num_jobs > 1:
      threads = max(len(os.sched_getaffinity(0)) // self._num_jobs, 1)
      environment.setdefault('TF_NUM_INTRAOP_THREADS', str(threads))
    begin = time.monotonic()
    with open(log, 'ab') as file:
      file.write(f'+ {step.shell_command()}\n'.encode())
      file.flush()
      process = subprocess.Popen(
        step.words(),
        stdout=file,
        stderr=subprocess.STDOUT,
        env=environment,
      )
      self._processes.add(process)
      status = process.wait()
      self._processes.discard(process)
    return _add_seconds(log, time.monotonic() - begin), status

  def _report_failure(self, step: Step, log: str, status: int) -> None:
    with open(log, encoding='utf-8', errors='replace') as file:
      end = file.read().splitlines()[-_LINES_OF_FAILURE:]
    reason = f'ended with status {status}' if status else f'made no {step.done}'
    self._say('\n'.join([f'{step.name} {reason}:', *end]))
    self._failed.append(f'{step.name} {reason}; its log is {log}')

  def _raise_if_failed(self) -> None:
    left = [step.name for step in self._waiting]
    if self._failed:
      waiting = f'. {len(left)} steps wait for them' if left else ''
      raise UserError('; '.join(self._failed) + waiting)
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


def _add_seconds(log: str, seconds: float) -> float:
  """Adds to the seconds recorded beside a log; returns the sum."""
  path = f'{log.removesuffix(".log")}.seconds.json'
  if os.path.exists(path):
    with open(path, encoding='utf-8') as file:
      seconds += json.load(file)
  local_files.write(path, json.dumps(round(seconds, 1)))
  return seconds
