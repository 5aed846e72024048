"""Commands that depend on each other, and which of them are left to run.

A recipe or a sweep is a list of steps. A step is done when its file exists; the
scripts write these files last. So an interrupted list continues when it is run
again: finished steps are skipped, and unfinished runs resume. A step that only
other steps need is skipped, too, if all of those are done.

`system.step_runner` runs steps on this machine. For more machines, `to_run`
lists the steps, whose commands a cluster's own scheduler can run.
"""

import dataclasses
import os
import shlex
import sys
from collections.abc import Callable, Iterable


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
