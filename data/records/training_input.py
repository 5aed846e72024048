"""Training batches from any step on, in the order of `training_order`.

Groups of records are sorted into length buckets and cut into global batches of
B rows [B, S'], which are divided among the replicas.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data.records.dataset_options import OPTIONS
from data.records.length_buckets import bucket_lengths, cut_into_batches
from data.records.record_source import RecordSource
from data.records.training_order import TrainingOrder
from system.errors import UserError

# A message lists this many records of a file and counts the rest.
_MAX_LISTED_RECORDS = 64


@dataclasses.dataclass(frozen=True)
class TrainingBatches:
  """The batches of a run: the records and their order."""

  source: RecordSource
  order: TrainingOrder

  def __call__(
    self, start_step: int, num_replicas: int = 1, own: range | None = None
  ) -> tf.data.Dataset:
    """Returns the batches from one step on; see `training_batches`."""
    return training_batches(
      self.source, self.order, start_step, num_replicas, own
    )

  def describe(self, step: int) -> str:
    """Names the records of a step's batch, by file and number.

    Args:
      step: the number of steps before it.
    """
    numbers: dict[str, list[int]] = {}
    for path, number in records_of_batch(self.source, self.order, step):
      numbers.setdefault(path, []).append(number)
    return '; '.join(
      f'{path}, records (counted from 0) {_list_records(sorted(found))}'
      for path, found in sorted(numbers.items())
    )


def _list_records(numbers: Sequence[int]) -> str:
  num_more = len(numbers) - _MAX_LISTED_RECORDS
  text = ', '.join(map(str, numbers[:_MAX_LISTED_RECORDS]))
  return f'{text} and {num_more} more' if num_more > 0 else text


def records_of_batch(
  source: RecordSource, order: TrainingOrder, step: int
) -> list[tuple[str, int]]:
  """Returns the file and the number of each record of a step's batch.

  Reads the batch's whole group, because the records' lengths decide which of
  them share a batch.
  """
  number, batch_index = order.locate(step)
  group = order.group(number)
  serialized = _read_windows(
    tf.gather(source.paths, group.files), group.offsets, group.counts
  )
  fields = source.parse(tf.gather(serialized, group.take))
  fields['position'] = tf.constant(group.take)
  batches = cut_into_batches(
    fields,
    tf.constant(group.batch_order[batch_index : batch_index + 1]),
    order.batch_size,
    bucket_lengths(source.dims['S']),
  )
  # Positions among the records that the group reads.
  positions = batches.get_single_element()['position'].numpy()
  ends = np.cumsum(group.counts)
  windows = np.searchsorted(ends, positions, side='right')
  rows = positions - (ends - group.counts)[windows]
  return [
    (source.paths[group.files[w]], int(group.first_records[w] + row))
    for w, row in zip(windows, rows, strict=True)
  ]


def training_batches(
  source: RecordSource,
  order: TrainingOrder,
  start_step: int,
  num_replicas: int = 1,
  own: range | None = None,
) -> tf.data.Dataset:
  """Makes the batches of a run from one step on, without end.

  Args:
    source: the records.
    order: their order.
    start_step: the first step; its batch comes first.
    num_replicas: R; each global batch becomes R elements of B / R rows, in the
      order of the replicas.
    own: the replicas to make elements for, counted from 0; None for all. Each
      of several workers feeds its own replicas.

  Returns:
    An infinite dataset of dictionaries:
      the record's fields, int32 or float32 [B/R, ...];
      `example_denominator` and, for records with masked positions,
      `masked_lm_denominator`, float32 scalars: the losses of the global batch
      are divided by them;
      `first_example`, int64 scalar: the row of the global batch at which this
      element begins.

  Raises:
    UserError: the batch cannot be cut into `num_replicas` equal parts.
  """
  if order.batch_size % num_replicas:
    raise UserError(
      f'`train_batch_size`={order.batch_size} cannot be cut into '
      f'{num_replicas} equal parts, one for each replica'
    )
  paths = tf.constant(source.paths)
  buckets = bucket_lengths(source.dims['S'])

  def load(file_numbers, offsets, counts, take, positions, batch_order):
    serialized = _read_windows(tf.gather(paths, file_numbers), offsets, counts)
    examples = source.examples(tf.gather(serialized, take), positions)
    return examples, batch_order

  def cut(group, batch_order):
    return cut_into_batches(group, batch_order, order.batch_size, buckets)

  dataset = _groups_from(order, start_step)
  dataset = dataset.map(load, num_parallel_calls=1, deterministic=True)
  dataset = dataset.prefetch(1).flat_map(cut).map(_add_denominators)
  rows = order.batch_size // num_replicas
  own = range(num_replicas) if own is None else own
  dataset = dataset.flat_map(
    lambda batch: tf.data.Dataset.range(own.start, own.stop).map(
      lambda replica: _rows_from(batch, replica * rows, rows)
    )
  )
  # Without a declared cardinality, the workers of a job agree before each step
  # on whether another batch exists, which takes a second reduction.
  dataset = dataset.apply(
    tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
  )
  return dataset.prefetch(4 * len(own)).with_options(OPTIONS)


def _groups_from(order: TrainingOrder, start_step: int) -> tf.data.Dataset:
  """Yields each `Group` as a tuple, beginning with the group of `start_step`.

  The first group's `batch_order` begins with that step's batch.
  """
  first_group, skip = order.locate(start_step)

  def groups():
    for number in itertools.count(first_group):
      group = order.group(number)
      first = skip if number == first_group else 0
      yield (
        group.files,
        group.offsets,
        group.counts,
        group.take,
        group.positions,
        group.batch_order[first:],
      )

  dtypes = (tf.int32, *[tf.int64] * 5)
  return tf.data.Dataset.from_generator(
    groups,
    output_signature=tuple(tf.TensorSpec([None], dtype) for dtype in dtypes),
  )


def _read_windows(
  paths: tf.Tensor, offsets: tf.Tensor, counts: tf.Tensor
) -> tf.Tensor:
  """Reads `counts` records at each byte offset; string [sum(counts)]."""

  def window(path, offset, count):
    # The public TFRecordDataset takes no offsets; its op does.
    variant = tf.raw_ops.TFRecordDatasetV2(
      filenames=[path],
      compression_type='',
      buffer_size=1 << 20,
      byte_offsets=[offset],
    )
    return tf.data.experimental.from_variant(
      variant, tf.TensorSpec([], tf.string)
    ).take(count)

  windows = tf.data.Dataset.from_tensor_slices((paths, offsets, counts))
  total = tf.reduce_sum(counts)
  return windows.flat_map(window).batch(total).get_single_element()


def _add_denominators(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  """Adds the numbers by which the losses of the global batch are divided."""
  rows = tf.shape(batch['input_ids'])[0]
  batch['example_denominator'] = tf.cast(rows, tf.float32)
  if 'masked_lm_weights' in batch:
    # google-research/bert adds 1e-5, for a batch without masked positions.
    total = tf.reduce_sum(batch['masked_lm_weights'])
    batch['masked_lm_denominator'] = total + 1e-5
  return batch


def _rows_from(batch, first, count: int) -> dict[str, tf.Tensor]:
  """Cuts rows [first, first + count) from a global batch."""
  part = {
    name: value[first : first + count] if value.shape.rank else value
    for name, value in batch.items()
  }
  part['first_example'] = tf.cast(first, tf.int64)
  return part
