"""Inference batches: every example once, in batches of similar length.

`example_index` maps a row of a batch to its example; it is -1 for the rows that
pad the last batch.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from data.records import record_reader
from data.records.dataset_options import OPTIONS
from data.records.length_buckets import batches_of, few_lengths, sort
from data.records.record_source import RecordSource, dense
from data.records.training_order import GROUP_RECORDS
from system import xla

# The default batch size. Fewer rows would save little, and another number of
# rows may round differently.
_MIN_ROWS = 8


def inference_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the sequence lengths that inference batches are padded to.

  They are few where each length costs a compilation. Elsewhere every length is
  allowed, so a batch is as wide as its longest row.
  """
  if xla.compiles_each_shape():
    return few_lengths(max_seq_length)
  return tuple(range(1, max_seq_length + 1))


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
    -1 for rows of zeros that fill the last batch.
  """
  limit = max_batches * batch_size if max_batches >= 0 else None

  def serialized_records():
    records = itertools.chain.from_iterable(
      map(record_reader.read, source.paths)
    )
    return itertools.islice(records, limit)

  first_batch = itertools.islice(serialized_records(), batch_size)
  batch_size = _useful_rows(batch_size, sum(1 for _ in first_batch))
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


def _useful_rows(batch_size: int, num_examples: int) -> int:
  """Returns the number of rows of a batch, at most B.

  It is smaller if the examples do not fill a batch of B rows.

  Args:
    batch_size: B.
    num_examples: the number of examples; B stands for any larger number.
  """
  return min(batch_size, max(_MIN_ROWS, num_examples))


def _pad_rows(value: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
  """Appends `count` rows of zeros."""
  zeros = tf.zeros([value.shape.rank - 1, 2], tf.int64)
  return tf.pad(value, tf.concat([[[0, count]], zeros], axis=0))


def inference_batches_from(
  ids: tf.RaggedTensor,
  segments: tf.RaggedTensor,
  batch_size: int,
  max_seq_length: int,
) -> Iterator[dict[str, np.ndarray]]:
  """Batches examples in memory, each example once, all sorted by length.

  Args:
    ids: int32 [N, (tokens)].
    segments: int32 [N, (tokens)].
    batch_size: B. If there are fewer examples, a batch has fewer rows.
    max_seq_length: S, at least the length of the longest row.

  Yields:
    `input_ids`, `input_mask` and `segment_ids`, int32 [B, S'], and
    `example_index`, int64 [B], the row's number among the N examples; -1 for
    the rows of zeros that fill the last batch.
  """
  batch_size = _useful_rows(batch_size, ids.nrows().numpy())
  allowed = np.array(inference_lengths(max_seq_length))
  lengths = ids.row_lengths().numpy()
  order = np.argsort(lengths, kind='stable')
  # NumPy, not tf.data: a dump scores shard after shard, and tracing a dataset
  # for each took longer than scoring a thousand texts.
  columns = {
    'input_ids': dense(ids, max_seq_length).numpy(),
    'input_mask': np.int32(np.arange(max_seq_length) < lengths[:, np.newaxis]),
    'segment_ids': dense(segments, max_seq_length).numpy(),
  }
  for start in range(0, len(order), batch_size):
    rows = order[start : start + batch_size]
    width = allowed[np.searchsorted(allowed, lengths[rows[-1]])]
    padding = [[0, batch_size - len(rows)], [0, 0]]
    batch = {
      name: np.pad(column[rows, :width], padding)
      for name, column in columns.items()
    }
    batch['example_index'] = np.pad(rows, padding[0], constant_values=-1)
    yield batch
