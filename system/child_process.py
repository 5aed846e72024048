"""Starts a command that ends with its parent and gets no Ctrl-C by itself.

The terminal sends Ctrl-C to all processes in the foreground. A script that gets
it twice, from the terminal and from its parent, would end without saving.
Therefore a command has its own session, and its parent passes signals on.

Tested by `tests/system/step_runner_test.py`.
"""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO

# The option of Linux's prctl that names the signal for a parent's death.
_PR_SET_PDEATHSIG = 1
_is_linux = sys.platform == 'linux'
# Loaded before a fork: a forked child should not load libraries.
_libc = ctypes.CDLL(None) if _is_linux else None


def start(
  words: Sequence[str], output: BinaryIO, environment: Mapping[str, str]
) -> subprocess.Popen:
  """Starts a command.

  On Linux the command gets SIGTERM when the thread that called this function
  ends, as it does if its process is killed.

  Args:
    words: the command.
    output: takes its standard output and error.
    environment: its variables.
  """
  return subprocess.Popen(
    words,
    stdout=output,
    stderr=subprocess.STDOUT,
    env=environment,
    start_new_session=True,
    preexec_fn=_end_with_parent if _is_linux else None,
  )


def _end_with_parent() -> None:
  _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
