"""Several processes on one job: who writes, and how they wait for each other.

Under MultiWorkerMirroredStrategy every worker runs the same script. All of
them compute the training steps; one, the chief, writes the files of the run,
and evaluates and predicts. Everything here is at once true, or done, where
there is one process only.

Whatever makes the workers wait is a collective: all of them must come to it,
in the same order. So decisions are made from what is the same on every worker,
or they are the chief's (`from_chief`).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import tensorflow as tf

from devices import cluster
from system.errors import LostWorker, Stopped, UserError, reason_of

T = TypeVar('T')

# What a collective ends with where another worker has died (Unavailable,
# Cancelled), was started again (Aborted, FailedPrecondition), or does not come.
LOSSES = (
  tf.errors.UnavailableError,
  tf.errors.AbortedError,
  tf.errors.CancelledError,
  tf.errors.FailedPreconditionError,
  tf.errors.DeadlineExceededError,
)
# Seconds in which the others surely have fetched a worker's last share.
_LINGER = 1.0


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
  """Says whether this worker writes the files of the run."""
  return index() == 0


def _sum(value: int) -> int:
  """Adds up a number over the workers; waits for all of them."""
  if count() == 1:
    return value
  total = tf.distribute.get_strategy().reduce(
    tf.distribute.ReduceOp.SUM, tf.constant(value, tf.int64), axis=None
  )
  return int(total)


def wait() -> None:
  """Waits until all workers have come here."""
  _sum(0)


def from_chief(value: int) -> int:
  """Returns the chief's value on every worker; waits for all of them."""
  return _sum(value if is_chief() else 0)


def any_of(value: bool) -> bool:
  """Says whether a value is true on some worker; waits for all of them."""
  return _sum(int(value)) > 0


def check_same(value: int, what: str) -> None:
  """Checks that a number is the same on every worker; waits for all of them.

  Raises:
    UserError: it is not.
  """
  theirs = from_chief(value)
  if _sum(int(value != theirs)):
    raise UserError(
      f'{what} is {value} on worker {index()}, {theirs} on the chief: do all '
      'workers have the same command, and see the same files?'
    )


@contextmanager
def _all_or_none() -> Iterator[None]:
  """Leaves a block when all workers are through, by an error if one has it."""
  failure = None
  try:
    yield
  except UserError as error:
    failure = error
  num_failures = _sum(int(failure is not None))
  if failure:
    raise failure
  if num_failures:
    raise UserError('another worker has failed: its own message says why')


@contextmanager
def chief_first() -> Iterator[None]:
  """Runs a block on the chief, and then on the others, who find its files."""
  if is_chief():
    with _all_or_none():
      yield
    with _all_or_none():
      pass
  else:
    with _all_or_none():
      pass
    with _all_or_none():
      yield


def chief_does(job: Callable[[], T]) -> T | None:
  """Runs a job on the chief, while the others wait.

  Returns:
    What the job returns; None on the other workers.

  Raises:
    UserError: the job's; on the other workers one that points to it.
  """
  with _all_or_none():
    return job() if is_chief() else None


def loss(error: BaseException) -> LostWorker:
  """Says which of `LOSSES` it was, in a line."""
  reason = reason_of(error).rpartition('aborted by: ')[2]
  return LostWorker(reason.split('\n')[0].rstrip(' :'))


@contextmanager
def losses_told() -> Iterator[None]:
  """Turns TensorFlow's errors about another worker into `LostWorker`.

  Of a TPU, too: it may be taken away, or be started again for maintenance.
  """
  try:
    yield
  except LOSSES as error:
    strategy = tf.distribute.get_strategy()
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    if count() == 1 and not is_tpu:
      raise
    raise loss(error) from error


@contextmanager
def running(strategy: tf.distribute.Strategy) -> Iterator[None]:
  """Runs a block in a strategy's scope; the workers leave it together.

  Raises:
    LostWorker: another worker has gone.
    Stopped: the block's; all workers stop at the same step.
  """
  with strategy.scope(), losses_told():
    stopped = None
    try:
      yield
    except UserError:
      # The same mistake ends the others, if this one's end does not first.
      if count() > 1:
        time.sleep(_LINGER)
      raise
    except Stopped as error:
      stopped = error
    wait()
    # All are through. In another round whoever is first to leave may take away
    # what the others were still fetching, and it does not matter any more.
    with suppress(*LOSSES):
      wait()
    if stopped:
      raise stopped
