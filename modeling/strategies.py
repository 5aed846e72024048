"""Flags → tf.distribute strategy."""

from typing import NamedTuple

import tensorflow as tf
from absl import logging

from data.errors import LostWorker, UserError, reason_of
from modeling import cluster, restart, workers


class Tpu(NamedTuple):
  """Which TPU, and what is expected of it."""

  name: str | None = None  # or its address; None finds the one of this host
  zone: str | None = None
  project: str | None = None
  num_cores: int | None = None  # None takes any number


def make_strategy(
  name: str, num_cpu_devices: int = 1, tpu: Tpu | None = None
) -> tf.distribute.Strategy:
  """Makes the strategy that a run distributes its work by.

  Args:
    name: 'auto', 'one_device', 'mirrored', 'multi_worker_mirrored' or 'tpu'.
      'auto' takes all workers where TF_CONFIG names several, else mirrors over
      several GPUs, and takes one device otherwise.
    num_cpu_devices: logical CPU devices to mirror over where there is no GPU.
    tpu: for 'tpu'.

  Raises:
    UserError: the devices asked for are not there.
    LostWorker: another worker does not come, or has gone again.
  """
  if name == 'tpu':
    return _tpu_strategy(tpu or Tpu())
  if name == 'multi_worker_mirrored' or (
    name == 'auto' and cluster.has_several_workers()
  ):
    return _multi_worker_strategy(cluster.required())
  gpus = tf.config.list_physical_devices('GPU')
  if name == 'mirrored' or (name == 'auto' and len(gpus) > 1):
    devices = (
      [f'/gpu:{i}' for i in range(len(gpus))]
      if gpus
      else _logical_cpus(num_cpu_devices)
    )
    return tf.distribute.MirroredStrategy(devices)
  return tf.distribute.get_strategy()


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


def _tpu_strategy(tpu: Tpu) -> tf.distribute.Strategy:
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
      tpu=tpu.name or '', zone=tpu.zone, project=tpu.project
    )
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
  except (ValueError, RuntimeError, tf.errors.OpError) as error:
    if restart.has_lost_worker():
      raise LostWorker(
        f'the TPU does not answer: {reason_of(error)}'
      ) from error
    raise UserError(
      f'no TPU answers as --tpu_name={tpu.name} (--tpu_zone={tpu.zone}, '
      f'--gcp_project={tpu.project}): {reason_of(error)}'
    ) from error
  strategy = tf.distribute.TPUStrategy(resolver)
  found = strategy.num_replicas_in_sync
  if tpu.num_cores not in (None, found):
    raise UserError(
      f'--num_tpu_cores={tpu.num_cores}, but the TPU has {found} cores'
    )
  return strategy
