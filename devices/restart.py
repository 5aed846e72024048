"""Restarts a process that has lost another worker of its job, or its TPU.

TensorFlow cannot repair a job's connections inside a process. The process
therefore replaces itself (`execv`: the same process id, command and
environment), joins the job again and resumes from the last checkpoint. Only the
lost worker itself must be started from outside. A process that has lost its TPU
retries, at growing intervals, until the TPU answers.

The process gives up after an hour without progress. It then exits with
`exit_status.RESTART`, as after SIGTERM (see `cli.interrupt`).
"""

import os
import sys
import time
from typing import NoReturn

from absl import logging

from system import exit_status

_PATIENCE_SECONDS = 3600.0
# An environment variable, because it outlives `execv`. It holds the time of the
# first loss since the last progress, in seconds since 1970.
_LOST_SINCE = 'WELL_READ_BERT_LOST_SINCE'


def note_progress() -> None:
  """Records that the job has saved progress, so the hour starts again."""
  os.environ.pop(_LOST_SINCE, None)


def is_recovering() -> bool:
  """Returns whether this process has restarted and saved no progress since."""
  return _LOST_SINCE in os.environ


def restart_or_exit(reason: str) -> NoReturn:
  """Restarts this process, or exits after an hour without progress.

  Args:
    reason: the error that revealed the loss.
  """
  now = time.time()
  waited = now - float(os.environ.setdefault(_LOST_SINCE, repr(now)))
  _flush()
  if waited > _PATIENCE_SECONDS:
    print(
      'ERROR: a worker or the TPU was lost, and the job has not continued for '
      f'{waited / 60:.0f} minutes ({reason}). Start all workers again: they '
      'resume from the last checkpoint.',
      file=sys.stderr,
      flush=True,
    )
    # Not sys.exit: unloading TensorFlow might wait for the lost worker.
    os._exit(exit_status.RESTART)
  logging.warning(
    'Another worker, or the TPU, is lost (%s). This process restarts and waits '
    'for it.',
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
  """Makes `execv` close all but the standard files, even TensorFlow's port."""
  for name in os.listdir('/dev/fd'):
    if int(name) > 2:
      try:
        os.set_inheritable(int(name), False)
      except OSError:  # The descriptor that listed the folder.
        continue
