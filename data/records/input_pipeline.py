"""Records → batches.

Training batches come in the order of `training_order`, cut from groups
that are sorted into length buckets. Inference batches keep the records' order
but for the sorting by length inside a group; each row carries its
`example_index`, padding rows carry -1.

Shapes of a batch: [B, S'] where S' is the bucket's length, at most S.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from data.records.feature_spec import Field
from data.records.record_source import RecordSource, dense
from data.records.training_order import GROUP_RECORDS, TrainingOrder
from system.errors import UserError

_SEQUENCE_FIELDS = ('input_ids', 'input_mask', 'segment_ids')
# Records of a file in a message; the rest is counted.
_SHOWN = 64


def bucket_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the static sequence lengths that batches are padded to."""
  lengths, length, step = [], 8, 8
  while length < max_seq_length:
    lengths.append(length)
    # Every 8 up to 64, every 16 up to 128, every 32 up to 256, and so on.
    step = max(step, 1 << (length.bit_length() - 3))
    length += step
  return (*lengths, max_seq_length)


def inference_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the sequence lengths that batches are padded to for inference.

  All there are: nothing is longer than its longest row needs. But a TPU
  compiles for each length.
  """
  if tf.config.list_logical_devices('TPU'):
    return bucket_lengths(max_seq_length)
  return tuple(range(1, max_seq_length + 1))


@dataclasses.dataclass(frozen=True)
class TrainingBatches:
  """The batches of a run, and what they are made of."""

  source: RecordSource
  order: TrainingOrder

  def __call__(
    self, start_step: int, num_replicas: int = 1, own: range | None = None
  ) -> tf.data.Dataset:
    """Returns them from one step on, as `training_batches`."""
    return training_batches(
      self.source, self.order, start_step, num_replicas, own
    )

  def describe(self, step: int) -> str:
    """Says which records a step's batch is made of, by file and number.

    Args:
      step: steps done before it.
    """
    numbers: dict[str, list[int]] = {}
    for path, number in records_of_batch(self.source, self.order, step):
      numbers.setdefault(path, []).append(number)
    return '; '.join(
      f'{path}, records (counted from 0) {_first_few(sorted(found))}'
      for path, found in sorted(numbers.items())
    )


def _first_few(numbers: Sequence[int]) -> str:
  more = len(numbers) - _SHOWN
  text = ', '.join(map(str, numbers[:_SHOWN]))
  return f'{text} and {more} more' if more > 0 else text


def records_of_batch(
  source: RecordSource, order: TrainingOrder, step: int
) -> list[tuple[str, int]]:
  """Returns the file and the number of each record of a step's batch.

  It reads the batch's group, for which examples share a batch depends on their
  lengths.
  """
  number, place = order.locate(step)
  group = order.group(number)
  serialized = _read_windows(
    tf.gather(source.paths, group.files), group.offsets, group.counts
  )
  fields = source.parse(tf.gather(serialized, group.take))
  fields['place'] = tf.constant(group.take)
  batches = _cut_into_batches(
    fields,
    tf.constant(group.batch_order[place : place + 1]),
    order.batch_size,
    bucket_lengths(source.dims['S']),
  )
  places = batches.get_single_element()['place'].numpy()
  ends = np.cumsum(group.counts)
  windows = np.searchsorted(ends, places, side='right')
  rows = places - (ends - group.counts)[windows]
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
    start_step: the first step whose batch is wanted.
    num_replicas: R; each global batch becomes R elements of B / R rows, in the
      order of the replicas.
    own: of which replicas the elements are wanted, counted from 0; None wants
      all. With several workers each feeds its own replicas.

  Returns:
    A dataset, known to be without end, of dictionaries: the record's fields,
    int32 or float32 [B/R, ...]; and of the global batch, float32 scalars, what
    the losses are divided by (`example_denominator`, and
    `masked_lm_denominator` where there are masked positions), and
    `first_example`, int64 scalar, the row of the global batch at which this
    element begins.

  Raises:
    UserError: the batch cannot be cut into `num_replicas` equal parts.
  """
  if order.batch_size % num_replicas:
    raise UserError(
      f'--train_batch_size={order.batch_size} cannot be cut into '
      f'{num_replicas} equal parts, one for each replica'
    )
  paths = tf.constant(source.paths)
  buckets = bucket_lengths(source.dims['S'])

  def load(file_numbers, offsets, counts, take, positions, batch_order):
    serialized = _read_windows(tf.gather(paths, file_numbers), offsets, counts)
    examples = source.examples(tf.gather(serialized, take), positions)
    return examples, batch_order

  def cut(group, batch_order):
    return _cut_into_batches(group, batch_order, order.batch_size, buckets)

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
  # Told so, the workers of a job need not agree in each step on whether there
  # is another one: that would be a second reduction.
  dataset = dataset.apply(
    tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
  )
  return dataset.prefetch(4 * len(own))


def training_signature(
  fields: Sequence[Field], dims: Mapping[str, int], rows: int
) -> dict[str, tf.TensorSpec]:
  """Returns the shapes and dtypes of an element of `training_batches`.

  Args:
    fields: the record's.
    dims: the numbers behind the letters of the fields' lengths; S is the
      bucket's.
    rows: B / R.
  """
  signature = text_signature(rows, dims['S'])
  for field in fields:
    if field.name not in signature and field.dtype != 'bytes':
      size = dims.get(field.length, field.length)
      signature[field.name] = tf.TensorSpec(
        [rows] if size == 1 else [rows, size],
        tf.int32 if field.dtype == 'int64' else tf.float32,
      )
  denominators = ['example_denominator']
  if 'masked_lm_weights' in signature:
    denominators.append('masked_lm_denominator')
  signature |= {name: tf.TensorSpec([], tf.float32) for name in denominators}
  return signature | {'first_example': tf.TensorSpec([], tf.int64)}


def text_signature(rows: int, length: int) -> dict[str, tf.TensorSpec]:
  """Returns the shapes and dtypes of what a model reads of a batch."""
  return {
    name: tf.TensorSpec([rows, length], tf.int32) for name in _SEQUENCE_FIELDS
  }


def _groups_from(order: TrainingOrder, start_step: int) -> tf.data.Dataset:
  """Yields each `Group` as a tuple, from the one that holds `start_step` on.

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


def inference_batches(
  source: RecordSource, batch_size: int, max_batches: int = -1
) -> tf.data.Dataset:
  """Makes batches of the records of the files, each record once.

  Args:
    source: the records.
    batch_size: B.
    max_batches: take only the records that fill so many batches, in the order
      of the files; -1 takes all.

  Returns:
    A dataset of dictionaries: the records' fields [B, ...], and
    `example_index`, as `inference_batches_from`.
  """
  dataset = tf.data.TFRecordDataset(list(source.paths))
  if max_batches >= 0:
    dataset = dataset.take(max_batches * batch_size)
  groups = dataset.enumerate().batch(_inference_group(batch_size))
  groups = groups.map(
    lambda numbers, serialized: source.examples(serialized, numbers)
  )
  return _inference(groups, batch_size, source.dims['S'])


def inference_batches_from(
  ids: tf.RaggedTensor,
  segments: tf.RaggedTensor,
  batch_size: int,
  max_seq_length: int,
) -> Iterator[dict[str, np.ndarray]]:
  """Makes batches of examples in memory, each example once, sorted by length.

  Args:
    ids: N rows.
    segments: likewise.
    batch_size: B.
    max_seq_length: the longest row.

  Yields:
    `input_ids`, `input_mask` and `segment_ids`, int32 [B, S'], and
    `example_index`, int64 [B], the row's number among all examples; -1 for the
    rows of zeros that fill up the last batch.
  """
  possible = np.array(inference_lengths(max_seq_length))
  lengths = ids.row_lengths().numpy()
  order = np.argsort(lengths, kind='stable')
  # TensorFlow makes nothing new for a shard: to trace what cuts batches took
  # longer than to score a thousand texts.
  columns = {
    'input_ids': dense(ids, max_seq_length).numpy(),
    'input_mask': np.int32(np.arange(max_seq_length) < lengths[:, np.newaxis]),
    'segment_ids': dense(segments, max_seq_length).numpy(),
  }
  for start in range(0, len(order), batch_size):
    rows = order[start : start + batch_size]
    width = possible[np.searchsorted(possible, lengths[rows[-1]])]
    padding = [[0, batch_size - len(rows)], [0, 0]]
    batch = {
      name: np.pad(column[rows, :width], padding)
      for name, column in columns.items()
    }
    batch['example_index'] = np.pad(rows, padding[0], constant_values=-1)
    yield batch


def _inference_group(batch_size: int) -> int:
  return max(1, GROUP_RECORDS // batch_size) * batch_size


def _inference(
  groups: tf.data.Dataset, batch_size: int, max_seq_length: int
) -> tf.data.Dataset:
  group_size = _inference_group(batch_size)
  lengths = inference_lengths(max_seq_length)

  def cut(number, group):
    count = tf.shape(group['input_ids'], tf.int64)[0]
    group['example_index'] = number * group_size + tf.range(count)
    missing = -count % batch_size
    group = {name: _pad_rows(x, missing) for name, x in group.items()}
    index = group['example_index']
    real = tf.range(count + missing) < count
    group['example_index'] = tf.where(real, index, -1)
    num_batches = (count + missing) // batch_size
    return _cut_into_batches(group, tf.range(num_batches), batch_size, lengths)

  return groups.enumerate().flat_map(cut).prefetch(4)


def _pad_rows(value: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
  zeros = tf.zeros([value.shape.rank - 1, 2], tf.int64)
  return tf.pad(value, tf.concat([[[0, count]], zeros], axis=0))


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


def _cut_into_batches(
  group: Mapping[str, tf.Tensor],
  batch_order: tf.Tensor,
  batch_size: int,
  buckets: Sequence[int],
) -> tf.data.Dataset:
  """Sorts a group into buckets and yields the batches in `batch_order`.

  A batch that begins in one bucket and ends in the next is padded to the longer
  one; so all batches are full and no record is left over.
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
  return value[:, :width] if name in _SEQUENCE_FIELDS else value


def _inner_shape(name: str, value: tf.Tensor) -> list[int | None]:
  if name in _SEQUENCE_FIELDS:
    return [None]
  return value.shape.as_list()[1:]


def _add_denominators(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  """Adds what the losses of the global batch are divided by."""
  rows = tf.shape(batch['input_ids'])[0]
  batch['example_denominator'] = tf.cast(rows, tf.float32)
  if 'masked_lm_weights' in batch:
    # google-research/bert adds 1e-5 against a batch without masked positions.
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
