"""Records → batches, in an order that is computed, not drawn.

Training. All records of all files form one stream that goes on from epoch to
epoch: in each epoch the index's windows are permuted, and the records inside
each window. The stream is cut into groups of a whole number of batches. Inside
a group records are shuffled, sorted into length buckets and cut into batches;
the batches are shuffled. Every permutation is a function of (seed, epoch,
window) or (seed, group), so any step is reached by arithmetic: a run that
resumes reads only the windows of its group. Every epoch sees every record once;
an epoch's last group may also hold the first records of the next epoch.

Inference. Records keep their order but for the bucketing inside a group; each
row carries its `example_index`, padding rows carry -1.

Shapes of a batch: [B, S'] where S' is the bucket's length, at most S.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from data import records
from data.errors import UserError
from data.features import Field

# Records that are bucketed together: with the 20 buckets below, about one batch
# in six of 32 examples holds two neighbouring lengths.
GROUP_RECORDS = 4096

# Rows of the order's random keys, so that no two permutations share one.
_WINDOWS, _IN_WINDOW, _IN_GROUP, _BATCHES = range(4)

_SEQUENCE_FIELDS = ('input_ids', 'input_mask', 'segment_ids')


def bucket_lengths(max_seq_length: int) -> tuple[int, ...]:
  """Returns the static sequence lengths that batches are padded to."""
  steps = [(64, 8), (128, 16), (256, 32), (512, 64)]
  lengths, last = [], 0
  for limit, step in steps:
    lengths += range(last + step, limit + 1, step)
    last = limit
  return (*(n for n in lengths if n < max_seq_length), max_seq_length)


@dataclasses.dataclass(frozen=True)
class Group:
  """What one group reads and how it is arranged."""

  files: np.ndarray  # int32 [W], the file of each window.
  offsets: np.ndarray  # int64 [W], bytes.
  counts: np.ndarray  # int64 [W], records to read.
  take: np.ndarray  # int64 [k*B], positions among the records read.
  batch_order: np.ndarray  # int64 [k].


class TrainingOrder:
  """The order of the examples of a whole run, as arithmetic."""

  def __init__(
    self, indexes: Sequence[records.Index], batch_size: int, seed: int
  ):
    """Lays the windows of all files in one row.

    Args:
      indexes: one for each file, in the order of the files.
      batch_size: B, examples in a global batch.
      seed: the run's seed.
    """
    self.batch_size = batch_size
    self.num_records = sum(index.num_records for index in indexes)
    self.group_batches = max(
      1, min(GROUP_RECORDS // batch_size, self.num_records // batch_size)
    )
    self._seed = seed
    self._files = np.concatenate(
      [np.full(len(x.offsets), i, np.int32) for i, x in enumerate(indexes)]
    )
    self._offsets = np.concatenate([x.offsets for x in indexes])
    self._sizes = np.concatenate([x.window_sizes() for x in indexes])
    self._epoch = functools.lru_cache(maxsize=2)(self._permute_epoch)

  def group(self, number: int) -> Group:
    """Computes one group; group 0 holds the first `group_batches` batches."""
    size = self.group_batches * self.batch_size
    pieces = list(self._pieces(number * size, (number + 1) * size))
    windows = np.array([window for window, _ in pieces])
    counts = self._sizes[windows]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    take = np.concatenate(
      [start + rows for start, (_, rows) in zip(starts, pieces, strict=True)]
    )
    return Group(
      self._files[windows],
      self._offsets[windows],
      counts,
      self._random(_IN_GROUP, number).permutation(take),
      self._random(_BATCHES, number).permutation(self.group_batches),
    )

  def _pieces(self, start: int, end: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (window, rows of it) for the stream's positions [start, end)."""
    while start < end:
      epoch, position = divmod(start, self.num_records)
      windows, ends = self._epoch(epoch)
      i = int(np.searchsorted(ends, position, side='right'))
      window = int(windows[i])
      first = position - (ends[i] - self._sizes[window])
      count = min(end - start, ends[i] - position)
      rows = self._random(_IN_WINDOW, epoch, window).permutation(
        self._sizes[window]
      )
      yield window, rows[first : first + count]
      start += count

  def _permute_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    windows = self._random(_WINDOWS, epoch).permutation(len(self._sizes))
    return windows, np.cumsum(self._sizes[windows])

  def _random(self, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([self._seed, *key]))


@dataclasses.dataclass(frozen=True)
class RecordSource:
  """Which records, and what their fields look like.

  Attributes:
    paths: TFRecord files.
    fields: the record's fields, from `data.features`.
    dims: the numbers behind the letters of the fields' lengths, such as
      {'S': 128, 'P': 20}.
    vocab_size: token ids must lie below it.
  """

  paths: tuple[str, ...]
  fields: tuple[Field, ...]
  dims: Mapping[str, int]
  vocab_size: int

  def check(self, every_record: bool = False) -> None:
    """Checks the first, or every, record of every file against the fields.

    Raises:
      UserError: the first record that does not fit, by file and number.
    """
    for path in self.paths:
      if every_record:
        records.scan(path)
      dataset = tf.data.TFRecordDataset(path)
      for number, raw in enumerate(
        dataset if every_record else dataset.take(1)
      ):
        self._check_record(raw.numpy(), f'{path}, record {number}')

  def _check_record(self, raw: bytes, where: str) -> None:
    try:
      features = tf.train.Example.FromString(raw).features.feature
    except Exception as error:  # protobuf's DecodeError has no stable home.
      raise UserError(f'{where}: not a tf.train.Example: {error}') from error
    for field in self.fields:
      if field.name not in features:
        raise UserError(
          f'{where}: there is no field {field.name!r}; the record holds '
          f'{", ".join(sorted(features))}'
        )
      kind = {'int64': 'int64_list', 'float32': 'float_list'}.get(
        field.dtype, 'bytes_list'
      )
      values = getattr(features[field.name], kind).value
      expected = self.dims.get(field.length, field.length)
      if expected is not None and len(values) != expected:
        raise UserError(
          f'{where}: {field.name} has {len(values)} values, expected '
          f'{expected} ({_explain_length(field)})'
        )
      if field.length is None and len(values) > self.dims['S']:
        raise UserError(
          f'{where}: {field.name} has {len(values)} values, more than '
          f'--max_seq_length={self.dims["S"]}'
        )
      if field.name == 'input_ids' and (
        max(values) >= self.vocab_size or min(values) < 0
      ):
        raise UserError(
          f'{where}: token id {max(values)} does not fit a vocabulary of '
          f'{self.vocab_size}: the records were made with another one'
        )

  @contextlib.contextmanager
  def explained(self) -> Iterator[None]:
    """Looks for a damaged record when the block fails for a data error."""
    try:
      yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
      self.check(every_record=True)
      raise

  def parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses string [G] to the fields, int32 or float32 [G, length]."""
    spec = {field.name: self._feature(field) for field in self.fields}
    parsed = tf.io.parse_example(serialized, spec)
    length = self.dims['S']
    if isinstance(parsed['input_ids'], tf.RaggedTensor):
      lengths = parsed['input_ids'].row_lengths()
      parsed['input_mask'] = tf.sequence_mask(lengths, length, tf.int32)
    in_range = tf.reduce_all(parsed['input_ids'] < self.vocab_size)
    with tf.control_dependencies(
      [tf.debugging.Assert(in_range, ['a token id beyond the vocabulary'])]
    ):
      return {
        name: _dense(value, length)
        for name, value in parsed.items()
        if value.dtype != tf.string
      }

  def _feature(self, field: Field):
    dtype = {'int64': tf.int64, 'float32': tf.float32, 'bytes': tf.string}[
      field.dtype
    ]
    if field.length is None:
      return tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
    length = self.dims.get(field.length, field.length)
    return tf.io.FixedLenFeature([] if length == 1 else [length], dtype)


def _explain_length(field: Field) -> str:
  return {'S': '--max_seq_length', 'P': '--max_predictions_per_seq'}.get(
    field.length, f'the length of {field.name}'
  )


def _dense(value, length: int) -> tf.Tensor:
  if isinstance(value, tf.RaggedTensor):
    value = value.to_tensor(shape=[None, length])
  return tf.cast(value, tf.int32) if value.dtype == tf.int64 else value


def training_batches(
  source: RecordSource,
  order: TrainingOrder,
  start_step: int,
  num_replicas: int = 1,
) -> tf.data.Dataset:
  """Makes the batches of a run from one step on, without end.

  Args:
    source: the records.
    order: their order.
    start_step: the first step whose batch is wanted.
    num_replicas: R; each global batch becomes R elements of B / R rows, in the
      order of the replicas.

  Returns:
    A dataset of dictionaries: the record's fields, int32 or float32
    [B/R, ...]; and of the global batch, float32 scalars, what the losses are
    divided by (`example_denominator`, and `masked_lm_denominator` where there
    are masked positions), and `first_example`, int64 scalar, the row of the
    global batch at which this element begins.

  Raises:
    UserError: the batch cannot be cut into `num_replicas` equal parts.
  """
  if order.batch_size % num_replicas:
    raise UserError(
      f'--train_batch_size={order.batch_size} cannot be cut into '
      f'{num_replicas} equal parts, one for each replica'
    )
  first_group, skip = divmod(start_step, order.group_batches)

  def groups():
    number = first_group
    while True:
      group = order.group(number)
      first = skip if number == first_group else 0
      yield (
        group.files,
        group.offsets,
        group.counts,
        group.take,
        group.batch_order[first:],
      )
      number += 1

  dtypes = (tf.int32, tf.int64, tf.int64, tf.int64, tf.int64)
  dataset = tf.data.Dataset.from_generator(
    groups,
    output_signature=tuple(tf.TensorSpec([None], dtype) for dtype in dtypes),
  )
  paths = tf.constant(source.paths)

  def load(file_numbers, offsets, counts, take, batch_order):
    serialized = _read_windows(tf.gather(paths, file_numbers), offsets, counts)
    return source.parse(tf.gather(serialized, take)), batch_order

  buckets = bucket_lengths(source.dims['S'])

  def cut(group, batch_order):
    return _cut_into_batches(group, batch_order, order.batch_size, buckets)

  dataset = dataset.map(load, num_parallel_calls=1, deterministic=True)
  dataset = dataset.prefetch(1).flat_map(cut)
  dataset = dataset.map(_add_denominators)
  rows = order.batch_size // num_replicas
  if num_replicas == 1:
    dataset = dataset.map(lambda batch: _rows_from(batch, 0, rows))
  else:
    dataset = dataset.flat_map(
      lambda batch: tf.data.Dataset.range(num_replicas).map(
        lambda replica: _rows_from(batch, replica * rows, rows)
      )
    )
  return dataset.prefetch(4 * num_replicas)


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
    As `inference_batches_from`.
  """
  dataset = tf.data.TFRecordDataset(list(source.paths))
  if max_batches >= 0:
    dataset = dataset.take(max_batches * batch_size)
  dataset = dataset.batch(_inference_group(batch_size))
  return _inference(dataset.map(source.parse), batch_size, source.dims['S'])


def inference_batches_from(
  features: Mapping[str, tf.Tensor | tf.RaggedTensor | np.ndarray],
  batch_size: int,
  max_seq_length: int,
) -> tf.data.Dataset:
  """Makes batches of examples in memory, each example once.

  Args:
    features: `input_ids` and `segment_ids` as RaggedTensors [N, (S)], other
      fields as arrays [N, ...].
    batch_size: B.
    max_seq_length: the longest row.

  Returns:
    A dataset of dictionaries: the fields [B, ...], and `example_index`, int64
    [B], the row's number among all examples; -1 for the rows of zeros that
    fill up the last batch.
  """
  dataset = tf.data.Dataset.from_tensor_slices(dict(features)).batch(
    _inference_group(batch_size)
  )

  def densify(group):
    lengths = group['input_ids'].row_lengths()
    group['input_mask'] = tf.sequence_mask(lengths, max_seq_length, tf.int32)
    return {name: _dense(x, max_seq_length) for name, x in group.items()}

  return _inference(dataset.map(densify), batch_size, max_seq_length)


def _inference_group(batch_size: int) -> int:
  return max(1, GROUP_RECORDS // batch_size) * batch_size


def _inference(
  groups: tf.data.Dataset, batch_size: int, max_seq_length: int
) -> tf.data.Dataset:
  group_size = _inference_group(batch_size)
  buckets = bucket_lengths(max_seq_length)

  def cut(number, group):
    count = tf.shape(group['input_ids'], tf.int64)[0]
    group['example_index'] = number * group_size + tf.range(count)
    missing = -count % batch_size
    group = {name: _pad_rows(x, missing) for name, x in group.items()}
    index = group['example_index']
    real = tf.range(count + missing) < count
    group['example_index'] = tf.where(real, index, -1)
    num_batches = (count + missing) // batch_size
    return _cut_into_batches(group, tf.range(num_batches), batch_size, buckets)

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
