"""A strategy of several replicas on one machine, for tests."""

import tensorflow as tf

_KEYS_OF_A_STRATEGY = 100


def mirrored(count: int = 2) -> tf.distribute.MirroredStrategy:
  """Mirrors over logical GPUs if there is a GPU, else over logical CPUs.

  `conftest` makes two of each. NCCL refuses several replicas on one GPU, so
  one device adds up what they compute.
  """
  # TensorFlow remembers the shapes of all-reduces by their keys for as long as
  # the process lives, and every strategy counts its keys from the same start.
  # With the same keys, a model of another size would be refused.
  tf.distribute.MirroredStrategy._collective_key_base += _KEYS_OF_A_STRATEGY
  has_gpu = bool(tf.config.list_logical_devices('GPU'))
  kind = 'gpu' if has_gpu else 'cpu'
  return tf.distribute.MirroredStrategy(
    [f'/{kind}:{number}' for number in range(count)],
    tf.distribute.ReductionToOneDevice() if has_gpu else None,
  )
