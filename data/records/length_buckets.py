"""Length buckets: batches of records of similar length need little padding.

A batch is padded to a length S', at most S, so that the number of shapes that
TensorFlow compiles stays small.
"""

import bisect
from collections.abc import Mapping, Sequence
from typing import NamedTuple

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

  These are the buckets' lengths, or a few where each length costs a
  compilation. On a TPU that takes minutes, on a GPU many seconds of all cores.
  """
  if not xla.compiles_each_shape():
    return bucket_lengths(max_seq_length)
  return few_lengths(max_seq_length)


def inference_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the lengths that inference batches are padded to.

  They are few where each length costs a compilation. Elsewhere every length is
  allowed, so a batch is as wide as its longest row.
  """
  if xla.compiles_each_shape():
    return few_lengths(max_seq_length)
  return tuple(range(1, max_seq_length + 1))


def few_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns S, a half and a quarter of it, rounded up to multiples of 8.

  For S = 128 they are 32, 64 and 128.
  """
  parts = {-(-max_seq_length // (8 * part)) * 8 for part in (4, 2)}
  return (*sorted(x for x in parts if x < max_seq_length), max_seq_length)


class SortedGroup(NamedTuple):
  """A group of records, sorted into buckets."""

  fields: Mapping[str, tf.Tensor]  # [G, ...], in the order of the group.
  by_bucket: tf.Tensor  # int32 [G], rows in the order of their buckets.
  widths: tf.Tensor  # int32 [k], the length S' of each batch.


def sort(
  group: Mapping[str, tf.Tensor],
  batch_size: int,
  buckets: Sequence[int],
  padded: Sequence[int],
) -> SortedGroup:
  """Sorts a group into buckets.

  Args:
    group: fields [G, ...]; `input_mask` [G, S] gives each row's length. G is a
      multiple of B.
    batch_size: B.
    buckets: ascending lengths, the last at least that of the longest row.
    padded: ascending lengths. A batch is padded to the first that is at least
      the length of its last record's bucket.
  """
  lengths = tf.reduce_sum(group['input_mask'], axis=1)
  bucket = tf.searchsorted(tf.constant(buckets), lengths)
  by_bucket = tf.argsort(bucket, stable=True)
  last_rows = by_bucket[batch_size - 1 :: batch_size]
  widths = tf.constant([padded[bisect.bisect_left(padded, b)] for b in buckets])
  widths = tf.gather(widths, tf.gather(bucket, last_rows))
  return SortedGroup(group, by_bucket, widths)


def batches_of(
  groups: tf.data.Dataset, batch_size: int, num_threads: int = 1
) -> tf.data.Dataset:
  """Cuts batches from sorted groups.

  A batch may begin in one bucket and end in the next, so all batches are full
  and no record is left over.

  Args:
    groups: a dataset of tuples: a `SortedGroup`, and int64 [k'], the numbers of
      the batches to cut, in their order.
    batch_size: B.
    num_threads: how many batches are cut at once.

  Returns:
    A dataset of dictionaries: the fields [B, ...]; [B, S'] for
    `SEQUENCE_FIELDS`.
  """

  def with_numbers(group, batch_order):
    # A dataset with a function would cost milliseconds for each group.
    numbers = tf.data.Dataset.from_tensor_slices(batch_order)
    return tf.data.Dataset.zip(
      tf.data.Dataset.from_tensors(group).repeat(), numbers
    )

  def cut(group, number):
    start = tf.cast(number, tf.int32) * batch_size
    rows = tf.gather(group.by_bucket, tf.range(start, start + batch_size))
    width = group.widths[number]
    return {
      name: tf.ensure_shape(
        _trim(name, tf.gather(value, rows), width),
        [batch_size, *_inner_shape(name, value)],
      )
      for name, value in group.fields.items()
    }

  return groups.flat_map(with_numbers).map(
    cut, num_parallel_calls=num_threads, deterministic=True
  )


def _trim(name: str, value: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
  return value[:, :width] if name in SEQUENCE_FIELDS else value


def _inner_shape(name: str, value: tf.Tensor) -> list[int | None]:
  if name in SEQUENCE_FIELDS:
    return [None]
  return value.shape.as_list()[1:]
