"""Runs commands that depend on each other, and skips those that are done.

A recipe or a sweep is a list of steps. A step is done when its file exists; the
scripts write these files last. So an interrupted list continues when it is run
again: finished steps are skipped, and unfinished runs resume. A step that only
other steps need is skipped, too, if all of those are done.

Several jobs share this machine's cores. For more machines, `to_run` lists the
steps, whose commands a cluster's own scheduler can run.

A signal to the list is passed on to its commands, once: they save and end. If
the list itself is killed, Linux sends SIGTERM to its commands.

Tested by `tests/system/steps_test.py`.
"""

import dataclasses
import os
import shlex
import sys
from collections.abc import Callable, Iterable

from system import stop_request
from system.errors import Stopped
from system.step_runner import Runner, ShownRunner, seconds_file


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
    finish: called with the seconds that the command took, of all tries, to
      write `done` if the command does not; None if they are unknown.
    title: what the command does, for the line that announces it.
  """

  name: str
  command: tuple[str, ...]
  done: str
  needs: tuple['Step', ...] = ()
  finish: Callable[[float | None], None] | None = None
  title: str = ''

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


def was_begun(step: Step, log_dir: str) -> bool:
  """Returns whether `run` began a step with this folder of logs, unfinished."""
  return os.path.exists(seconds_file(os.path.join(log_dir, f'{step.name}.log')))


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
    UserError: a command failed; all failed ones and their logs are named. Or a
      command stopped by itself.
    Stopped: SIGTERM or Ctrl-C stopped the list, and its commands have ended.
  """
  steps = list(steps)
  if shows_output:
    runner = ShownRunner(to_run(steps), log_dir, len(steps))
  else:
    runner = Runner(to_run(steps), log_dir, num_jobs)
  with stop_request.listener(runner.stop):
    runner.run()
  if stop_request.was_made():
    raise Stopped('the commands have saved and ended')
