"""Ctrl-C and SIGTERM end a process with one line and no traceback.

A training run that is asked so saves at its next step and ends (see
`training.stop_request`); asked once more, it ends at once. Whatever else a
script does is not worth saving, and ends soon.

SIGTERM is what schedulers, and machines that are taken away, send first. The
process then ends with the status of `devices.restart`: start me again.

Python looks at signals when it is its turn again, which in the middle of a
device's loop takes as long as --log_steps steps. So a thread waits for them.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable

from devices import restart
from system.errors import Stopped
from training import stop_request

# What a process ends with that a signal has ended.
STATUSES = {
  signal.SIGINT: 128 + signal.SIGINT,
  signal.SIGTERM: restart.EXIT_STATUS,
}
# Seconds in which Python may clean up; what is cut off then is no worse than
# after a kill, which every job survives.
_PATIENCE = 3.0

_INTERRUPTED = 'INTERRUPTED: what was saved is whole'


class _Interrupted(KeyboardInterrupt):
  """One of the signals; raised wherever Python is when it comes."""

  def __init__(self, number: int):
    super().__init__()
    self.status = STATUSES[number]


def run(main: Callable[[], None]) -> None:
  """Calls a function; the signals end the process, with their statuses."""
  reader, writer = os.pipe()
  os.set_blocking(writer, False)
  signal.set_wakeup_fd(writer)
  for number in STATUSES:
    signal.signal(number, _raise)
  os.register_at_fork(after_in_child=_leave_alone)
  watch = _Watch(reader)
  try:
    main()
  except _Interrupted as interrupted:
    watch.is_ending.set()
    _tell(_INTERRUPTED)
    sys.exit(interrupted.status)
  except Stopped as stopped:
    _tell(f'STOPPED: {stopped}')
    sys.exit(watch.status)


def _leave_alone() -> None:
  """Lets the signals end a child as any process: this one is not meant."""
  signal.set_wakeup_fd(-1)
  for number in STATUSES:
    signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _) -> None:
  # A run that is asked to stop has heard of it from the thread.
  if not stop_request.has_listener():
    raise _Interrupted(number)


class _Watch:
  """A thread that waits for the signals.

  Attributes:
    is_ending: set when the main thread has been reached.
    status: of a run that was asked to stop, or another worker of whose job was.
  """

  def __init__(self, reader: int):
    """Starts the thread.

    Args:
      reader: a descriptor from which the signals' numbers are read.
    """
    self.is_ending = threading.Event()
    self.status = restart.EXIT_STATUS
    self._reader = reader
    threading.Thread(target=self._wait, daemon=True).start()

  def _wait(self) -> None:
    number = self._next()
    if stop_request.has_listener():
      self.status = STATUSES[number]
      _print('STOPPING: at the next step, which is saved; once more: at once')
      stop_request.make()
      number = self._next()
    elif self.is_ending.wait(_PATIENCE):
      return
    _tell(_INTERRUPTED)
    os._exit(STATUSES[number])

  def _next(self) -> int:
    while (number := os.read(self._reader, 1)[0]) not in STATUSES:
      pass
    return number


def _tell(what: str) -> None:
  _print(f'{what}; the same command goes on from it')


def _print(line: str) -> None:
  sys.stdout.flush()
  # On a terminal the line may be that of a bar.
  start = '\n' if sys.stderr.isatty() else ''
  print(f'{start}{line}', file=sys.stderr, flush=True)
