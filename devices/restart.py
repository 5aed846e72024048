"""A worker that has lost another starts itself again, and waits for it.

TensorFlow cannot mend a job's connections inside a process. So the process
takes its own place (`execv`: the same number, command and environment), joins
the job anew and goes on from the last checkpoint; only the worker that was
lost must be started by somebody. So does a process that has lost its TPU, which
tries again, more and more seldom, until the TPU answers.

Where no other worker comes back for an hour, or nothing is achieved for an
hour because one is lost again and again, the process ends with status 75,
EX_TEMPFAIL of sysexits.h: nothing is wrong with the command, it can be given
again. A process that a SIGTERM has ended says the same, see `cli.interrupt`.
"""

import os
import sys
import time
from typing import NoReturn

from absl import logging

EXIT_STATUS = 75
_PATIENCE = 3600.0  # Seconds.
# When a worker was lost, in seconds since 1970; it outlives `execv`.
_SINCE = 'WELL_READ_BERT_LOST_SINCE'


def progressed() -> None:
  """Tells that the job has achieved something that will not be lost again."""
  os.environ.pop(_SINCE, None)


def has_lost_worker() -> bool:
  """Says whether this process has started again, and achieved nothing yet."""
  return _SINCE in os.environ


def again(reason: str) -> NoReturn:
  """Starts this process again from its beginning, or gives up.

  Args:
    reason: how it was noticed that a worker is lost.
  """
  now = time.time()
  waited = now - float(os.environ.setdefault(_SINCE, repr(now)))
  _flush()
  if waited > _PATIENCE:
    print(
      'ERROR: a worker was lost and the job could not go on for '
      f'{waited / 60:.0f} minutes ({reason}). Start all workers again: they go '
      'on from the last checkpoint.',
      file=sys.stderr,
      flush=True,
    )
    # Not sys.exit: TensorFlow might wait for the lost one when it is unloaded.
    os._exit(EXIT_STATUS)
  logging.warning(
    'Another worker is lost (%s). This one starts again and waits for it.',
    reason,
  )
  # More and more seldom, from 1 second to 30.
  time.sleep(min(30.0, 1.0 + waited / 10))
  _flush()
  _close_at_exec()
  os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _flush() -> None:
  sys.stdout.flush()
  sys.stderr.flush()


def _close_at_exec() -> None:
  """Has all files but the standard ones closed, TensorFlow's port above all."""
  for name in os.listdir('/dev/fd'):
    if int(name) > 2:
      try:
        os.set_inheritable(int(name), False)
      except OSError:  # The one by which the folder was listed.
        continue
