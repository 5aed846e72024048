"""The device of the engines that use TensorFlow, for `training`.

Tested by `tests/benchmarks/training_test.py`.
"""

import tensorflow as tf


def prepare(precision: str) -> None:
  """Turns TF32 off if the precision is float32.

  In a lower precision, TF32 is for the few products that stay float32.
  """
  allowed = precision != 'float32'
  tf.config.experimental.enable_tensor_float_32_execution(allowed)


def wait() -> None:
  """Waits until the device has computed everything."""
  tf.test.experimental.sync_devices()


def peak_gpu_megabytes() -> float | None:
  """Returns this process's peak memory on the GPU since the last call.

  It is None without a GPU.
  """
  if not tf.config.list_logical_devices('GPU'):
    return None
  peak = tf.config.experimental.get_memory_info('GPU:0')['peak']
  tf.config.experimental.reset_memory_stats('GPU:0')
  return peak / 1e6
