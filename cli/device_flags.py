"""The flags that choose devices, and the checks before a TPU is taken."""

from absl import flags

from cli import flag_group, tpu_paths
from devices import program_cache
from devices.options import DeviceOptions

FLAGS = flags.FLAGS


def check() -> None:
  """Checks the device flags.

  Raises:
    UserError: flags have no effect or contradict each other; the message names
      them.
  """
  flag_group.refuse_without_effect(DeviceOptions)
  options().check()


def options(trains: bool = True) -> DeviceOptions:
  """Returns the devices that the flags ask for.

  Args:
    trains: whether this process trains, or only scores examples.
  """
  num_tpu_cores = FLAGS['num_tpu_cores']
  return flag_group.read(
    DeviceOptions,
    num_tpu_cores=num_tpu_cores.value if num_tpu_cores.present else None,
    trains=trains,
  )


def prepare(devices: DeviceOptions) -> None:
  """Sets what TensorFlow reads at import; for a TPU, checks the paths in flags.

  The paths are checked now because a TPU costs money from the moment it
  answers. Call this once the flags are checked, because it imports TensorFlow.

  Raises:
    UserError: a TPU cannot reach a path.
  """
  program_cache.turn_on()
  from devices import native_log, tpu

  native_log.apply_min_log_level()
  if devices.is_on_tpu:
    tpu_paths.check(tpu.Tpu.described_by(devices).is_remote)
