"""Makes the tf.distribute strategy that a process runs under."""

import contextlib
import signal
from collections.abc import Callable, Iterator

import tensorflow as tf
from absl import logging

from devices import cluster, workers
from devices.options import DeviceOptions
from devices.tpu import Tpu, connect
from system import threads, xla
from system.errors import UserError

# For TPUs: compile a program for each batch shape, with all sizes static,
# instead of one program that pads every dimension of unknown size.
STATIC_SHAPES = tf.distribute.RunOptions(
  experimental_enable_dynamic_batch_size=False
)

_MAX_SCORING_THREADS = 8


def make_strategy(options: DeviceOptions) -> tf.distribute.Strategy:
  """Makes the strategy that distributes a run's work.

  Also chooses whether steps are compiled, see `system.xla`.

  Must be called before TensorFlow runs its first op, which fixes its devices
  and threads. Waits for the other workers, if there are any.

  Raises:
    UserError: the requested devices do not exist.
    LostWorker: another worker does not answer, or is lost while it connects;
      or a TPU that this process has lost before does not answer.
  """
  name = options.distribution_strategy
  if options.is_on_tpu:
    with _sigterm_handler_kept():
      return connect(Tpu.described_by(options))
  xla.choose(options.jit_compile)
  if name == 'multi_worker_mirrored' or (
    name == 'auto' and cluster.has_several_workers()
  ):
    with _sigterm_handler_kept():
      return _multi_worker_strategy(cluster.required())
  gpus = tf.config.list_physical_devices('GPU')
  if gpus and options.num_cpu_devices > 1:
    raise UserError(
      f'`num_cpu_devices`={options.num_cpu_devices} cannot take effect: this '
      f'machine has GPUs ({len(gpus)}). CUDA_VISIBLE_DEVICES=-1 hides them.'
    )
  if name == 'mirrored' or (name == 'auto' and len(gpus) > 1):
    devices = (
      [f'/gpu:{i}' for i in range(len(gpus))]
      if gpus
      else _logical_cpus(options.num_cpu_devices)
    )
    return tf.distribute.MirroredStrategy(devices)
  if not options.trains and not gpus:
    _use_one_thread_per_op()
  return tf.distribute.get_strategy()


def num_scoring_threads() -> int:
  """Returns how many batches the current strategy's device scores at once."""
  if tf.distribute.has_strategy():
    return 1  # A strategy's scope is entered in one thread only.
  if tf.config.threading.get_intra_op_parallelism_threads() == 1:
    return threads.num_cores()  # See `_use_one_thread_per_op`.
  # One batch of a compact model leaves a second core idle.
  return 2


def _use_one_thread_per_op() -> None:
  """Sets one thread per op: faster for scoring, slower for training.

  A compact model's matrix products are too small to split over cores. Scoring
  one batch per core (`num_scoring_threads`) uses a CPU better. With more than
  `_MAX_SCORING_THREADS` cores the batches would need too much memory, and a
  small input has too few of them. Has no effect once TensorFlow has run an op.
  """
  if threads.num_cores() <= _MAX_SCORING_THREADS:
    with contextlib.suppress(RuntimeError):
      tf.config.threading.set_intra_op_parallelism_threads(1)


def _multi_worker_strategy(job: cluster.Cluster) -> tf.distribute.Strategy:
  """Joins the job, and waits until all workers have joined."""
  if job.index:
    # The chief logs the run's progress; the other workers log only warnings.
    logging.get_absl_handler().addFilter(_worker_prefix(job.index))
    logging.info('Worker %d of %d joins.', job.index, len(job.addresses))
    logging.set_verbosity(logging.WARNING)
  else:
    logging.info('Waiting for the workers: %s', ', '.join(job.addresses))
  kinds = tf.distribute.experimental.CommunicationImplementation
  has_gpus = bool(tf.config.list_physical_devices('GPU'))
  options = tf.distribute.experimental.CommunicationOptions(
    implementation=kinds.AUTO if has_gpus else kinds.RING
  )
  cluster.wait_for_workers(job)
  try:
    return tf.distribute.MultiWorkerMirroredStrategy(
      communication_options=options
    )
  except workers.LOST_WORKER_ERRORS as error:
    raise workers.lost_worker(error) from error


@contextlib.contextmanager
def _sigterm_handler_kept() -> Iterator[None]:
  """Restores the handler of SIGTERM after a block.

  TensorFlow replaces it with one that ignores the signal.
  """
  handler = signal.getsignal(signal.SIGTERM)
  try:
    yield
  finally:
    signal.signal(signal.SIGTERM, handler)


def _worker_prefix(index: int) -> Callable[..., bool]:
  """Returns a log filter that puts a worker's number before each line."""

  def add_prefix(record) -> bool:
    record.msg = f'[worker {index}] {record.msg}'
    return True

  return add_prefix


def _logical_cpus(count: int) -> list[str]:
  """Returns the names of `count` logical CPU devices, made if necessary.

  Raises:
    UserError: TensorFlow is initialised already, with fewer devices.
  """
  cpu = tf.config.list_physical_devices('CPU')[0]
  try:
    tf.config.set_logical_device_configuration(
      cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )
  except RuntimeError:  # A process configures its devices only once.
    found = len(tf.config.list_logical_devices('CPU'))
    if found < count:
      raise UserError(
        f'`num_cpu_devices`={count}: this process has {found} CPU devices'
      ) from None
  return [f'/cpu:{i}' for i in range(count)]
