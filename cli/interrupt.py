"""Ctrl-C ends a process soon, with one line and no traceback.

Python raises KeyboardInterrupt when it is its turn again, which in the middle
of a device's loop takes as long as --log_steps steps. So a thread waits too.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable

# As of a process that the signal ended.
STATUS = 128 + signal.SIGINT

# Seconds in which Python may clean up; what is cut off then is no worse than
# after a kill, which every job survives.
_PATIENCE = 3.0

_LINE = 'INTERRUPTED: what was saved is whole; the same command goes on from it'


def run(main: Callable[[], None]) -> None:
  """Calls a function; on Ctrl-C the process ends with `STATUS`."""
  reader, writer = os.pipe()
  os.set_blocking(writer, False)
  signal.set_wakeup_fd(writer)
  is_ending = threading.Event()
  threading.Thread(target=_watch, args=(reader, is_ending), daemon=True).start()
  try:
    main()
  except KeyboardInterrupt:
    is_ending.set()
    _tell()
    sys.exit(STATUS)


def _watch(reader: int, is_ending: threading.Event) -> None:
  """Waits for the signal, and a while for Python; then ends the process."""
  while signal.SIGINT not in os.read(reader, 1):
    pass
  if not is_ending.wait(_PATIENCE):
    _tell()
    os._exit(STATUS)


def _tell() -> None:
  sys.stdout.flush()
  # On a terminal the line may be that of a bar.
  start = '\n' if sys.stderr.isatty() else ''
  print(f'{start}{_LINE}', file=sys.stderr, flush=True)
