"""Requests to stop a training run: it saves at its next step and ends.

A thread makes the request (`cli.interrupt`, on a signal) while the main thread
runs the device's training loop. Every step reads it: in one process the loop
itself does, without waiting for a device; with several workers the request is
part of the step's one reduction, so all of them stop at the same step.

TensorFlow's PreemptionCheckpointHandler does not fit. It looks for signals
between two calls from the host, whose number may differ by one among workers:
with loops of many steps on the device it would react that many steps late. It
does nothing on Google Cloud's TPUs and CPUs ('does not support usage with TPU
or CPU device on GCP'), takes SIGTERM for itself, restores when it is made, and
saves on every worker.

Tested by `tests/training/train_loop_test.py` and `tests/cli/interrupt_test.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[], None]] = []
_was_made = False


@contextmanager
def listener(notify: Callable[[], None]) -> Iterator[None]:
  """Calls `notify` when a request is made while the block runs."""
  global _was_made
  _was_made = False
  _listeners.append(notify)
  try:
    yield
  finally:
    _listeners.remove(notify)


def has_listener() -> bool:
  """Returns whether a run is in progress that stops on request."""
  return bool(_listeners)


def was_made() -> bool:
  """Returns whether the last run was asked to stop."""
  return _was_made


def make() -> None:
  """Asks the run in progress to stop; returns at once."""
  global _was_made
  _was_made = True
  for notify in list(_listeners):
    notify()
