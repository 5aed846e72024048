"""Length buckets: batches of records of similar length need little padding.

A batch is padded to a length S', at most S, so that the number of shapes that
TensorFlow compiles stays small.
"""

import bisect
from collections.abc import Mapping, Sequence

import tensorflow as tf

from system import xla

# The fields with a value for each token; they are cut to the bucket's length.
SEQUENCE_FIELDS = ('input_ids', 'input_mask', 'segment_ids')


def bucket_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the greatest lengths of the buckets that records are sorted into.

  They decide which records share a batch, on all devices alike.
  """
  lengths, length, step = [], 8, 8
  while length < max_seq_length:
    lengths.append(length)
    # Every 8 up to 64, every 16 up to 128, every 32 up to 256, and so on.
    step = max(step, 1 << (length.bit_length() - 3))
    length += step
  return (*lengths, max_seq_length)


def padded_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the lengths that training batches are padded to.

  These are the buckets' lengths, and two per octave where each length costs a
  compilation, which takes seconds on a GPU and minutes on a TPU.
  """
  if not xla.compiles_each_shape():
    return bucket_lengths(max_seq_length)
  return few_lengths(max_seq_length)


def few_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns S and the lengths below it, two per octave.

  >>> few_lengths(128)
  (16, 24, 32, 48, 64, 96, 128)
  """
  lengths, length = [], 16
  while length < max_seq_length:
    lengths += [length, length * 3 // 2]
    length *= 2
  return (*(x for x in lengths if x < max_seq_length), max_seq_length)


def cut_into_batches(
  group: Mapping[str, tf.Tensor],
  batch_order: tf.Tensor,
  batch_size: int,
  buckets: Sequence[int],
  padded: Sequence[int],
) -> tf.data.Dataset:
  """Sorts a group into buckets and yields its batches in `batch_order`.

  A batch may begin in one bucket and end in the next, so all batches are full
  and no record is left over.

  Args:
    group: fields [G, ...]; `input_mask` [G, S] gives each row's length. G is a
      multiple of B.
    batch_order: int64 [k], numbers of batches of the sorted group.
    batch_size: B.
    buckets: ascending lengths, the last at least that of the longest row.
    padded: ascending lengths. A batch is padded to the first that is at least
      the length of its last record's bucket.

  Returns:
    A dataset of k dictionaries: the fields [B, ...]; [B, S'] for
    `SEQUENCE_FIELDS`.
  """
  lengths = tf.reduce_sum(group['input_mask'], axis=1)
  bucket = tf.searchsorted(tf.constant(buckets), lengths)
  by_bucket = tf.argsort(bucket, stable=True)
  last_rows = by_bucket[batch_size - 1 :: batch_size]
  widths = tf.constant([padded[bisect.bisect_left(padded, b)] for b in buckets])
  widths = tf.gather(widths, tf.gather(bucket, last_rows))

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
