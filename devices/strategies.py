"""Flags → tf.distribute strategy."""

import contextlib
import signal
from collections.abc import Iterator

import tensorflow as tf
from absl import logging

from devices import cluster, workers
from devices.tpu import Tpu, connect
from system import threads
from system.errors import UserError

# On TPUs: a program for each shape of batches that comes, in which all shapes
# are known, instead of one that pads whatever has a size it does not know.
STATIC_SHAPES = tf.distribute.RunOptions(
  experimental_enable_dynamic_batch_size=False
)

_MOST_BATCHES_AT_ONCE = 8


def make_strategy(
  name: str,
  num_cpu_devices: int = 1,
  tpu: Tpu | None = None,
  trains: bool = True,
) -> tf.distribute.Strategy:
  """Makes the strategy that a run distributes its work by.

  Args:
    name: 'auto', 'one_device', 'mirrored', 'multi_worker_mirrored' or 'tpu'.
      'auto' takes all workers where TF_CONFIG names several, else mirrors over
      several GPUs, and takes one device otherwise.
    num_cpu_devices: logical CPU devices to mirror over where there is no GPU.
    tpu: for 'tpu'.
    trains: whether this process is to train. If it only scores examples, on
      one CPU device, TensorFlow gets one thread an op in all that follows.

  Raises:
    UserError: the devices asked for are not there.
    LostWorker: another worker does not come, or has gone again.
  """
  if name == 'tpu':
    with _sigterm_kept():
      return connect(tpu or Tpu())
  if name == 'multi_worker_mirrored' or (
    name == 'auto' and cluster.has_several_workers()
  ):
    with _sigterm_kept():
      return _multi_worker_strategy(cluster.required())
  gpus = tf.config.list_physical_devices('GPU')
  if name == 'mirrored' or (name == 'auto' and len(gpus) > 1):
    devices = (
      [f'/gpu:{i}' for i in range(len(gpus))]
      if gpus
      else _logical_cpus(num_cpu_devices)
    )
    return tf.distribute.MirroredStrategy(devices)
  if not trains and not gpus:
    _give_each_batch_a_core()
  return tf.distribute.get_strategy()


def num_scoring_threads() -> int:
  """Returns how many batches the current strategy's device scores at once."""
  if tf.distribute.has_strategy():
    return 1  # Its scope would not hold in other threads.
  if tf.config.threading.get_intra_op_parallelism_threads() == 1:
    return threads.num_cores()  # See `_give_each_batch_a_core`.
  # One batch of a compact model does not keep two cores busy.
  return 2


def _give_each_batch_a_core() -> None:
  """Makes this process faster at scoring, and slow at training.

  The products of compact models are too small to share: a CPU's cores are
  busier with a batch each, see `num_scoring_threads`. With more cores than some
  it would take too much memory, and small inputs too few batches. Nothing
  changes once TensorFlow has run an op.
  """
  if threads.num_cores() <= _MOST_BATCHES_AT_ONCE:
    with contextlib.suppress(RuntimeError):
      tf.config.threading.set_intra_op_parallelism_threads(1)


def _multi_worker_strategy(job: cluster.Cluster) -> tf.distribute.Strategy:
  """Joins the other workers; waits until all of them are there."""
  if job.index:
    # The chief tells how the run goes; of the others only what is wrong.
    logging.get_absl_handler().addFilter(_marked_with(job.index))
    logging.info('Worker %d of %d joins.', job.index, len(job.addresses))
    logging.set_verbosity(logging.WARNING)
  else:
    logging.info('Waiting for the workers: %s', ', '.join(job.addresses))
  kinds = tf.distribute.experimental.CommunicationImplementation
  has_gpus = bool(tf.config.list_physical_devices('GPU'))
  options = tf.distribute.experimental.CommunicationOptions(
    implementation=kinds.AUTO if has_gpus else kinds.RING
  )
  cluster.meet(job)
  try:
    return tf.distribute.MultiWorkerMirroredStrategy(
      communication_options=options
    )
  except workers.LOSSES as error:
    raise workers.loss(error) from error


@contextlib.contextmanager
def _sigterm_kept() -> Iterator[None]:
  """Keeps SIGTERM from TensorFlow, which takes it and does nothing with it."""
  handler = signal.getsignal(signal.SIGTERM)
  try:
    yield
  finally:
    signal.signal(signal.SIGTERM, handler)


def _marked_with(index: int):
  def mark(record) -> bool:
    record.msg = f'[worker {index}] {record.msg}'
    return True

  return mark


def _logical_cpus(count: int) -> list[str]:
  cpu = tf.config.list_physical_devices('CPU')[0]
  try:
    tf.config.set_logical_device_configuration(
      cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )
  except RuntimeError:  # The devices are made once per process.
    found = len(tf.config.list_logical_devices('CPU'))
    if found < count:
      raise UserError(
        f'{count} CPU devices were asked for, this process has {found}'
      ) from None
  return [f'/cpu:{i}' for i in range(count)]
