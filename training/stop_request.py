"""A training run that is asked to stop saves at its next step and ends.

Who asks is another thread (`cli.interrupt`, on a signal), while the main one is
in the middle of a device's loop. What it sets is read by every step: on one
process by the loop itself, so that no device is waited for; with several
workers it travels with the step's one reduction, so that all of them stop at
the same step.

TensorFlow's PreemptionCheckpointHandler is not used. It looks for signals
between two calls from the host, of which workers may differ by one: with loops
of many steps on the device it would come as many steps late. It does nothing on
Google Cloud's TPUs and CPUs ('does not support usage with TPU or CPU device on
GCP'), takes SIGTERM for itself, restores when it is made, and saves on every
worker.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[], None]] = []
_was_asked = False


@contextmanager
def heeded(listener: Callable[[], None]) -> Iterator[None]:
  """Calls a function when somebody asks to stop, while the block runs."""
  global _was_asked
  _was_asked = False
  _listeners.append(listener)
  try:
    yield
  finally:
    _listeners.remove(listener)


def is_heeded() -> bool:
  """Says whether a run is under way that will stop when it is asked."""
  return bool(_listeners)


def was_asked() -> bool:
  """Says whether the last run was asked to stop."""
  return _was_asked


def ask() -> None:
  """Asks the run that is under way to stop; returns at once."""
  global _was_asked
  _was_asked = True
  for listener in list(_listeners):
    listener()
