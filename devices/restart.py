"""Restarts a process that has lost another worker of its job, or its TPU.

TensorFlow cannot repair a job's connections inside a process. The process
therefore replaces itself (`execv`: the same process id, command and
environment), joins the job again and resumes from the last checkpoint. Only the
lost worker itself must be started from outside. A process that has lost its TPU
retries, at growing intervals, until the TPU answers.

The process gives up after an hour without progress, because no worker answers
or workers are lost repeatedly. It then exits with status 75, EX_TEMPFAIL of
sysexits.h: the command is correct and can be given again. SIGTERM ends a
process with the same status, see `cli.interrupt`.
"""

import os
import sys
import time
from typing import NoReturn

from absl import logging

EXIT_STATUS = 75
_PATIENCE_SECONDS = 3600.0
# The environment variable, which outlives `execv`, that holds when the worker
# was lost, in seconds since 1970.
_LOST_SINCE = 'WELL_READ_BERT_LOST_SINCE'


def note_progress() -> None:
  """Records that the job has saved progress, which resets the patience."""
  os.environ.pop(_LOST_SINCE, None)


def is_recovering() -> bool:
  """Returns whether this process has restarted and saved no progress since."""
  return _LOST_SINCE in os.environ


def restart_or_exit(reason: str) -> NoReturn:
  """Restarts this process from its beginning, or exits if patience is spent.

  Args:
    reason: the error by which the loss of a worker showed.
  """
  now = time.time()
  waited = now - float(os.environ.setdefault(_LOST_SINCE, repr(now)))
  _flush()
  if waited > _PATIENCE_SECONDS:
    print(
      'ERROR: a worker was lost and the job could not continue for '
      f'{waited / 60:.0f} minutes ({reason}). Start all workers again: they '
      'resume from the last checkpoint.',
      file=sys.stderr,
      flush=True,
    )
    # Not sys.exit: unloading TensorFlow might wait for the lost worker.
    os._exit(EXIT_STATUS)
  logging.warning(
    'Another worker is lost (%s). This one restarts and waits for it.',
    reason,
  )
  # The interval grows from 1 second to 30.
  time.sleep(min(30.0, 1.0 + waited / 10))
  _flush()
  _close_at_exec()
  os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _flush() -> None:
  sys.stdout.flush()
  sys.stderr.flush()


def _close_at_exec() -> None:
  """Has `execv` close all but the standard files, also TensorFlow's port."""
  for name in os.listdir('/dev/fd'):
    if int(name) > 2:
      try:
        os.set_inheritable(int(name), False)
      except OSError:  # The descriptor that listed the folder.
        continue
