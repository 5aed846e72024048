"""Ends a process on Ctrl-C or SIGTERM, with one line and no traceback.

A training run saves at its next step and ends (see `system.stop_request`); a
second signal ends it at once. Other work saves nothing and ends soon.

Schedulers send SIGTERM before they kill a process or take its machine away. The
process then ends with `exit_status.RESTART`, which asks for a restart.

Python handles signals only between bytecodes, and a device's loop of
`log_steps` steps is a single one. Therefore a thread waits for the signals.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from system import exit_status, stop_request
from system.errors import Stopped

# Signal → the exit status of a process that it ends.
_STATUSES = {
  signal.SIGINT: exit_status.INTERRUPTED,
  signal.SIGTERM: exit_status.RESTART,
}
# Seconds that Python has for its clean-up. Ending it early does no more harm
# than a kill, which every job survives.
_CLEANUP_SECONDS = 3.0
# SLURM preempts a job with two SIGTERMs at once, one of them through srun. A
# SIGTERM that follows another one within these seconds is the same request.
_REPEAT_SECONDS = 5.0

_INTERRUPTED = 'INTERRUPTED: saved files are intact'


class _Interrupted(KeyboardInterrupt):
  """Raised in the main thread by a signal; holds the exit status."""

  def __init__(self, number: int):
    super().__init__()
    self.status = _STATUSES[number]


def run(main: Callable[[], None]) -> None:
  """Calls a function; a signal ends the process with the signal's status."""
  reader, writer = os.pipe()
  os.set_blocking(writer, False)
  signal.set_wakeup_fd(writer)
  for number in _STATUSES:
    signal.signal(number, _raise)
  os.register_at_fork(after_in_child=_restore_defaults)
  watch = _Watch(reader)
  try:
    main()
  except _Interrupted as interrupted:
    watch.is_ending.set()
    _print_end(_INTERRUPTED)
    sys.exit(interrupted.status)
  except Stopped as stopped:
    _print_end(f'STOPPED: {stopped}')
    sys.exit(watch.status)


def _restore_defaults() -> None:
  """Makes the signals end a forked child like any other process."""
  signal.set_wakeup_fd(-1)
  for number in _STATUSES:
    signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _) -> None:
  # The thread asks a run that listens to stop. It also takes the signals after
  # the first one: they may come while the stopped run already ends.
  if not (stop_request.has_listener() or stop_request.was_made()):
    raise _Interrupted(number)


class _Watch:
  """A thread that waits for the signals.

  Attributes:
    is_ending: set once the main thread has handled a signal.
    status: the exit status of a run that was asked to stop, by a signal to this
      worker or to another one.
  """

  def __init__(self, reader: int):
    """Starts the thread.

    Args:
      reader: a file descriptor from which the signals' numbers are read.
    """
    self.is_ending = threading.Event()
    self.status = exit_status.RESTART
    self._reader = reader
    threading.Thread(target=self._wait, daemon=True).start()

  def _wait(self) -> None:
    number = self._next()
    if stop_request.has_listener():
      self.status = _STATUSES[number]
      _print(
        'STOPPING: saves at the next step; a second signal ends it at once'
      )
      try:
        stop_request.make()
      except Exception as error:  # Of a device that is gone, perhaps.
        # This thread must go on: a second signal ends the process.
        _print(f'The run cannot be asked to stop: {error}')
      number = self._next_but_repeated(number)
    elif self.is_ending.wait(_CLEANUP_SECONDS):
      return
    _print_end(_INTERRUPTED)
    os._exit(_STATUSES[number])

  def _next(self) -> int:
    """Waits for one of the signals and returns its number."""
    while (number := os.read(self._reader, 1)[0]) not in _STATUSES:
      pass
    return number

  def _next_but_repeated(self, first: int) -> int:
    """Waits for a signal that does not repeat a SIGTERM; returns its number."""
    started = time.monotonic()
    while True:
      number = self._next()
      waited = time.monotonic() - started
      if not number == first == signal.SIGTERM or waited > _REPEAT_SECONDS:
        return number


def _print_end(reason: str) -> None:
  _print(f'{reason}; the same command resumes from there')


def _print(line: str) -> None:
  sys.stdout.flush()
  # On a terminal a progress bar may occupy the current line.
  start = '\n' if sys.stderr.isatty() else ''
  print(f'{start}{line}', file=sys.stderr, flush=True)
