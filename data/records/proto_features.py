"""Values as features of a `tf.train.Example`.

For small numbers of records; `serialization` writes large batches faster.
"""

from collections.abc import Iterable

import tensorflow as tf


def int64_feature(values: Iterable[int]) -> tf.train.Feature:
  """Wraps integers."""
  return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def float_feature(values: Iterable[float]) -> tf.train.Feature:
  """Wraps floats; they are stored as float32."""
  return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def bytes_feature(value: bytes) -> tf.train.Feature:
  """Wraps one byte string."""
  return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
