"""Coordinates a job's workers: waits, agrees on values, runs work on the chief.

Under MultiWorkerMirroredStrategy every worker runs the same script. All
workers compute the training steps. One of them, the chief, writes the run's
files, evaluates and predicts. In a job of one process that process is the
chief, and nothing here waits.

Functions that wait are collectives: every worker must call them, in the same
order. A decision that leads to one must therefore depend on values that are the
same on every worker, or be the chief's (`from_chief`).

Tested by `tests/devices/workers_test.py` and `multi_worker_test.py`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import tensorflow as tf

from devices import cluster
from system.errors import (
  LostWorker,
  Stopped,
  Unavailable,
  UserError,
  reason_of,
)

T = TypeVar('T')

# A collective raises these if another worker has died (Unavailable, Cancelled),
# was restarted (Aborted, FailedPrecondition), or does not join in time.
LOST_WORKER_ERRORS = (
  tf.errors.UnavailableError,
  tf.errors.AbortedError,
  tf.errors.CancelledError,
  tf.errors.FailedPreconditionError,
  tf.errors.DeadlineExceededError,
)
# How long a failing worker stays, so that the others can still fetch its last
# values.
_LINGER_SECONDS = 1.0


def _cluster() -> cluster.Cluster:
  strategy = tf.distribute.get_strategy()
  if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
    return cluster.required()
  return cluster.Cluster(('',), 0)


def count() -> int:
  """Returns the number of workers of the current strategy."""
  return len(_cluster().addresses)


def index() -> int:
  """Returns this worker's number, from 0."""
  return _cluster().index


def is_chief() -> bool:
  """Returns whether this worker writes the run's files."""
  return index() == 0


def _sum(value: int) -> int:
  """Sums a number over the workers; waits for all of them."""
  if count() == 1:
    return value
  total = tf.distribute.get_strategy().reduce(
    tf.distribute.ReduceOp.SUM, tf.constant(value, tf.int64), axis=None
  )
  return int(total)


def wait() -> None:
  """Waits until all workers have called this function."""
  _sum(0)


def from_chief(value: int) -> int:
  """Returns the chief's value on every worker; waits for all of them."""
  return _sum(value if is_chief() else 0)


def any_of(value: bool) -> bool:
  """Returns whether any worker's value is true; waits for all of them."""
  return _sum(int(value)) > 0


def check_same(value: int, description: str) -> None:
  """Checks that a number is the same on every worker; waits for all of them.

  Args:
    value: this worker's number.
    description: begins the message.

  Raises:
    UserError: some worker's number differs from the chief's.
  """
  expected = from_chief(value)
  if _sum(int(value != expected)):
    raise UserError(
      f'{description} is {value} on worker {index()}, {expected} on the chief: '
      'do all workers have the same command, and see the same files?'
    )


@contextmanager
def _failing_together() -> Iterator[None]:
  """Waits at the end of a block for all workers; fails on all if one fails."""
  failure = None
  try:
    yield
  except UserError as error:
    failure = error
  num_failures = _sum(int(failure is not None))
  num_passing = _sum(int(isinstance(failure, Unavailable)))
  if failure:
    raise failure
  if num_failures:
    kind = Unavailable if num_passing == num_failures else UserError
    raise kind('another worker has failed: see its log')


@contextmanager
def chief_first() -> Iterator[None]:
  """Runs a block on the chief first, so that the others find its files."""
  if is_chief():
    with _failing_together():
      yield
    with _failing_together():
      pass
  else:
    with _failing_together():
      pass
    with _failing_together():
      yield


def chief_does(job: Callable[[], T]) -> T | None:
  """Runs a job on the chief while the other workers wait.

  Returns:
    The job's result; None on the other workers.

  Raises:
    UserError: the job's; the other workers raise one that points to it.
  """
  with _failing_together():
    return job() if is_chief() else None


def lost_worker(error: BaseException) -> LostWorker:
  """Returns a `LostWorker` whose message is an error's cause, in one line.

  Args:
    error: one of `LOST_WORKER_ERRORS`.
  """
  reason = reason_of(error).rpartition('aborted by: ')[2]
  return LostWorker(reason.split('\n')[0].rstrip(' :'))


@contextmanager
def lost_workers_raised() -> Iterator[None]:
  """Turns TensorFlow's errors about another worker or a TPU into `LostWorker`.

  A TPU may be preempted, or restarted for maintenance.
  """
  try:
    yield
  except LOST_WORKER_ERRORS as error:
    strategy = tf.distribute.get_strategy()
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    if count() == 1 and not is_tpu:
      raise
    raise lost_worker(error) from error


@contextmanager
def _shortage_explained() -> Iterator[None]:
  """Turns TensorFlow's error about memory into a `UserError`."""
  try:
    yield
  except tf.errors.ResourceExhaustedError as error:
    reason = reason_of(error).partition('\n')[0]
    raise UserError(
      f'a device has too little memory: {reason}. Try a smaller '
      '`train_batch_size` (or `gradient_accumulation_steps`, which keeps the '
      'batch), `eval_batch_size` or `max_seq_length`, or `precision`=bfloat16'
    ) from error


@contextmanager
def running(strategy: tf.distribute.Strategy) -> Iterator[None]:
  """Runs a block in a strategy's scope; the workers leave it together.

  Raises:
    LostWorker: another worker is lost.
    Stopped: the block's; all workers stop at the same step.
    UserError: the block's; or a device has too little memory.
  """
  with strategy.scope(), lost_workers_raised(), _shortage_explained():
    stopped = None
    try:
      yield
    except UserError:
      # The other workers fail on the same mistake. If this one exited first,
      # they would report a lost worker instead.
      if count() > 1:
        time.sleep(_LINGER_SECONDS)
      raise
    except Stopped as error:
      stopped = error
    wait()
    # All workers are done. The first to leave this second round may interrupt
    # the others' last transfer, which no longer matters.
    with suppress(*LOST_WORKER_ERRORS):
      wait()
    if stopped:
      raise stopped
