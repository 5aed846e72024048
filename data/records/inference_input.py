"""Inference batches of record files: each record once, sorted by length.

`example_index` maps a row of a batch to its record; it is -1 for the rows that
fill up the last group of batches. `data.records.memory_batches` does the same
for examples in memory.
"""

import itertools

import tensorflow as tf

from data.records import record_reader
from data.records.dataset_options import OPTIONS, traced_as_written
from data.records.length_buckets import batches_of, inference_lengths, sort
from data.records.memory_batches import useful_rows
from data.records.record_source import RecordSource
from data.records.training_order import GROUP_RECORDS


@traced_as_written
def inference_batches(
  source: RecordSource, batch_size: int, max_batches: int = -1
) -> tf.data.Dataset:
  """Batches the records of files, each record once.

  The records are sorted by length within groups of about `GROUP_RECORDS`.

  Args:
    source: the records.
    batch_size: B. If there are fewer records, a batch has fewer rows.
    max_batches: take only the records that fill this many batches, in the order
      of the files; -1 takes all.

  Returns:
    A dataset of dictionaries: the records' fields [B, ...], and
    `example_index`, int64 [B], the record's number among those of all files, or
    -1 for rows of zeros that fill up the last group.
  """
  limit = max_batches * batch_size if max_batches >= 0 else None

  def serialized_records():
    records = itertools.chain.from_iterable(
      map(record_reader.read, source.paths)
    )
    return itertools.islice(records, limit)

  first_batch = itertools.islice(serialized_records(), batch_size)
  batch_size = useful_rows(batch_size, sum(1 for _ in first_batch))
  group_size = max(1, GROUP_RECORDS // batch_size) * batch_size

  def serialized_groups():
    records = serialized_records()
    while group := list(itertools.islice(records, group_size)):
      yield group

  def parse(number, serialized):
    rows = tf.range(tf.size(serialized, tf.int64))
    return source.examples(serialized, number * group_size + rows)

  groups = tf.data.Dataset.from_generator(
    serialized_groups, output_signature=tf.TensorSpec([None], tf.string)
  )
  groups = groups.enumerate().map(parse).prefetch(1)
  lengths = inference_lengths(source.dims['S'])

  def fill(number, group):
    count = tf.shape(group['input_ids'], tf.int64)[0]
    group['example_index'] = number * group_size + tf.range(count)
    missing = -count % batch_size
    group = {name: _pad_rows(x, missing) for name, x in group.items()}
    index = group['example_index']
    is_real = tf.range(count + missing) < count
    group['example_index'] = tf.where(is_real, index, -1)
    num_batches = (count + missing) // batch_size
    return sort(group, batch_size, lengths, lengths), tf.range(num_batches)

  groups = groups.enumerate().map(fill)
  return batches_of(groups, batch_size).prefetch(4).with_options(OPTIONS)


def _pad_rows(value: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
  """Appends `count` rows of zeros."""
  zeros = tf.zeros([value.shape.rank - 1, 2], tf.int64)
  return tf.pad(value, tf.concat([[[0, count]], zeros], axis=0))
