"""Prints what a command writes to its log, while it writes.

The command writes to a file, not to a pipe, so it survives its reader. Absl's
prefix (level, time, process, place) is left out; warnings and errors keep
their level. If the command is silent for long, a line says that it still runs.

Tested by `tests/system/step_runner_test.py`.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TextIO

_PREFIX = re.compile(r'^([IWEF])\d{4} [\d:.]+ +\d+ \S+:\d+\] ')
_LEVELS = {'I': '', 'W': 'WARNING: ', 'E': 'ERROR: ', 'F': 'FATAL: '}
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_OF_SILENCE = 20.0


def plain(line: str) -> str:
  """Returns a line of a log without Absl's prefix.

  >>> plain('I1127 09:54:38.123456 1404 fit.py:33] Step 10')
  'Step 10'
  >>> plain('W1127 09:54:38.123456 1404 fit.py:33] Cut')
  'WARNING: Cut'
  """
  return _PREFIX.sub(lambda match: _LEVELS[match[1]], line)


class LogEcho:
  """Follows one command's log."""

  def __init__(
    self,
    path: str,
    name: str,
    start: int = 0,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Takes the log.

    Args:
      path: the log's; it exists.
      name: the command's, for the line that it still runs.
      start: the position in the log, in bytes, from which it is printed.
      stream: where to print; standard output if None.
      clock: returns seconds.
    """
    self._path, self._name, self._clock = path, name, clock
    self._stream = stream or sys.stdout
    self._position = start
    self._begin = self._last = clock()

  def follow(self, process: subprocess.Popen) -> int:
    """Prints the log until the command has ended; returns its status."""
    while True:
      try:
        status = process.wait(timeout=_SECONDS_BETWEEN_LOOKS)
      except subprocess.TimeoutExpired:
        self.look()
        continue
      self.look(is_last=True)
      return status

  def look(self, is_last: bool = False) -> None:
    """Prints the lines that were added since the last look.

    Args:
      is_last: whether to print a line that has no end yet, too.
    """
    with open(self._path, 'rb') as file:
      file.seek(self._position)
      data = file.read()
    if not is_last:
      data = data[: data.rfind(b'\n') + 1]
    self._position += len(data)
    lines = data.decode(errors='replace').splitlines()
    now = self._clock()
    if lines:
      self._last = now
    elif not is_last and now - self._last >= _SECONDS_OF_SILENCE:
      self._last = now
      lines = [f'({self._name} has run for {now - self._begin:.0f} s)']
    text = ''.join(f'    {plain(line)}\n' for line in lines if line.strip())
    self._stream.write(text)
    self._stream.flush()
