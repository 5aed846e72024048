"""Length buckets: batches of records of similar length need little padding.

A batch is padded to its bucket's length S', at most S, so that the number of
shapes that TensorFlow compiles stays small.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

# The fields with a value for each token; they are cut to the bucket's length.
SEQUENCE_FIELDS = ('input_ids', 'input_mask', 'segment_ids')


def bucket_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the static sequence lengths that batches are padded to."""
  lengths, length, step = [], 8, 8
  while length < max_seq_length:
    lengths.append(length)
    # Every 8 up to 64, every 16 up to 128, every 32 up to 256, and so on.
    step = max(step, 1 << (length.bit_length() - 3))
    length += step
  return (*lengths, max_seq_length)


def cut_into_batches(
  group: Mapping[str, tf.Tensor],
  batch_order: tf.Tensor,
  batch_size: int,
  buckets: Sequence[int],
) -> tf.data.Dataset:
  """Sorts a group into buckets and yields its batches in `batch_order`.

  A batch that begins in one bucket and ends in the next is padded to the longer
  one, so all batches are full and no record is left over.

  Args:
    group: fields [G, ...]; `input_mask` [G, S] gives each row's length. G is a
      multiple of B.
    batch_order: int64 [k], numbers of batches of the sorted group.
    batch_size: B.
    buckets: ascending lengths, the last at least that of the longest row.

  Returns:
    A dataset of k dictionaries: the fields [B, ...]; [B, S'] for
    `SEQUENCE_FIELDS`.
  """
  lengths = tf.reduce_sum(group['input_mask'], axis=1)
  bucket = tf.searchsorted(tf.constant(buckets), lengths)
  by_bucket = tf.argsort(bucket, stable=True)
  last_rows = by_bucket[batch_size - 1 :: batch_size]
  widths = tf.gather(tf.constant(buckets), tf.gather(bucket, last_rows))

  def batch(number):
    start = tf.cast(number, tf.int32) * batch_size
    rows = tf.gather(by_bucket, tf.range(start, start + batch_size))
    width = widths[number]
    return {
      name: tf.ensure_shape(
        _trim(name, tf.gather(value, rows), width),
        [batch_size, *_inner_shape(name, value)],
      )
      for name, value in group.items()
    }

  return tf.data.Dataset.from_tensor_slices(batch_order).map(batch)


def _trim(name: str, value: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
  return value[:, :width] if name in SEQUENCE_FIELDS else value


def _inner_shape(name: str, value: tf.Tensor) -> list[int | None]:
  if name in SEQUENCE_FIELDS:
    return [None]
  return value.shape.as_list()[1:]
