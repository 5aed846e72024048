"""Where to run, and how precisely."""

import functools

from absl import flags

from cli import tpu_paths
from cli.flag_group import refuse_if_given
from devices import cluster
from system.errors import UserError

FLAGS = flags.FLAGS


@functools.cache
def define() -> None:
  """Where to run, and how precisely."""
  flags.DEFINE_enum(
    'precision',
    'float32',
    ['float32', 'bfloat16', 'float16'],
    'Added: of the matrix products, in training and out of it. All else, the '
    'weights and the logits too, is float32. float16 scales the loss and skips '
    'steps whose gradients overflow.',
  )
  flags.DEFINE_bool('use_tpu', False, 'Whether to run on a TPU.')
  flags.DEFINE_string('tpu_name', None, 'The name or address of the TPU.')
  flags.DEFINE_string('tpu_zone', None, 'The zone of the TPU.')
  flags.DEFINE_string('gcp_project', None, 'The Google Cloud project.')
  flags.DEFINE_string('master', None, "The TPU's master address.")
  flags.DEFINE_integer(
    'num_tpu_cores',
    8,
    'How many TPU cores there must be, where given; only with --use_tpu.',
    lower_bound=1,
  )
  flags.DEFINE_enum(
    'distribution_strategy',
    'auto',
    ['auto', 'one_device', 'mirrored', 'multi_worker_mirrored', 'tpu'],
    'Added: auto takes the TPU with --use_tpu; multi_worker_mirrored where the '
    'environment variable TF_CONFIG names several workers; all GPUs where '
    'there are several; and one device otherwise. multi_worker_mirrored: the '
    'same command runs on every worker, with the same --output_dir, which '
    'all of them see. A worker that is lost can be started again; the others '
    'wait for it, and all go on from the last checkpoint.',
  )
  flags.DEFINE_integer(
    'num_cpu_devices',
    1,
    'Added: logical CPU devices for --distribution_strategy=mirrored without '
    'GPUs, to try a distributed job on one machine.',
    lower_bound=1,
  )


def check() -> None:
  """Refuses flags about devices that contradict each other.

  Raises:
    UserError: the flags are named.
  """
  tpu_flags = 'tpu_name tpu_zone gcp_project master num_tpu_cores'.split()
  if not FLAGS.use_tpu and FLAGS.distribution_strategy != 'tpu':
    refuse_if_given(tpu_flags, '--use_tpu is not given')
  elif FLAGS.distribution_strategy not in ('auto', 'tpu'):
    raise UserError(
      f'--use_tpu and --distribution_strategy={FLAGS.distribution_strategy} '
      'contradict each other'
    )
  if FLAGS.distribution_strategy != 'mirrored':
    refuse_if_given(['num_cpu_devices'], 'the strategy is not mirrored')
  if FLAGS.distribution_strategy == 'multi_worker_mirrored':
    cluster.required()
  elif FLAGS.distribution_strategy == 'auto' and not FLAGS.use_tpu:
    cluster.from_environment()


def strategy(trains: bool = True):
  """Returns the tf.distribute strategy that the flags describe.

  Call it before anything runs TensorFlow's ops, which would fix devices and
  threads. Of several workers it waits for all.

  Args:
    trains: whether this process trains, or only scores examples.
  """
  from devices import native_log, strategies, tpu

  native_log.quieten()
  name = 'tpu' if FLAGS.use_tpu else FLAGS.distribution_strategy
  described = tpu.Tpu(
    FLAGS.tpu_name or FLAGS.master,
    FLAGS.tpu_zone,
    FLAGS.gcp_project,
    FLAGS.num_tpu_cores if FLAGS['num_tpu_cores'].present else None,
  )
  if name == 'tpu':
    # A TPU costs money from the moment it answers.
    tpu_paths.check(described.is_remote)
  return strategies.make_strategy(
    name, FLAGS.num_cpu_devices, described, trains
  )
