"""Training batches from any step on, in the order of `training_order`.

Groups of records are sorted into length buckets and cut into global batches of
B rows [B, S'], which are divided among the replicas.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from concurrent import futures

import numpy as np
import tensorflow as tf

from data.records import length_buckets, record_reader
from data.records.dataset_options import OPTIONS, traced_as_written
from data.records.record_source import RecordSource
from data.records.training_order import Group, TrainingOrder
from system import file_systems, files, threads
from system.errors import UserError, few

# A message lists this many records of a file and counts the rest.
_MAX_LISTED_RECORDS = 64

# Of this many cores one parses records. On a CPU the others train; with a GPU
# they have little else to do.
_CORES_PER_THREAD = 4
# Remote storage takes long to answer, but serves many at once.
_REMOTE_READS = 32


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

  def lengths(self, step: int) -> list[int]:
    """Returns the lengths S' of the batches of a step's group, ascending.

    Args:
      step: the number of steps before it.
    """
    group = self.order.group(self.order.locate(step)[0])
    batches = _cut_group(self.source, self.order, group, group.batch_order)
    return sorted({batch['input_mask'].shape[1] for batch in batches})

  def describe(self, step: int) -> str:
    """Names the records of a step's batch, by file and number.

    Args:
      step: the number of steps before it.
    """
    numbers: dict[str, list[int]] = {}
    for path, number in records_of_batch(self.source, self.order, step):
      numbers.setdefault(path, []).append(number)
    return '; '.join(
      f'{path}, records (counted from 0) '
      f'{few(list(map(str, sorted(found))), _MAX_LISTED_RECORDS)}'
      for path, found in sorted(numbers.items())
    )


def records_of_batch(
  source: RecordSource, order: TrainingOrder, step: int
) -> list[tuple[str, int]]:
  """Returns the file and the number of each record of a step's batch.

  Reads the batch's whole group, because the records' lengths decide which of
  them share a batch.
  """
  number, batch_index = order.locate(step)
  group = order.group(number)
  batch_order = group.batch_order[batch_index : batch_index + 1]
  batches = _cut_group(source, order, group, batch_order)
  # Positions among the records that the group reads.
  positions = batches.get_single_element()['position'].numpy()
  ends = np.cumsum(group.counts)
  windows = np.searchsorted(ends, positions, side='right')
  rows = positions - (ends - group.counts)[windows]
  return [
    (source.paths[group.files[w]], int(group.first_records[w] + row))
    for w, row in zip(windows, rows, strict=True)
  ]


@traced_as_written
def _cut_group(
  source: RecordSource,
  order: TrainingOrder,
  group: Group,
  batch_order: np.ndarray,
) -> tf.data.Dataset:
  """Returns batches of a group: `input_mask`, and the rows' `position`."""
  fields = source.parse(tf.constant(_read_group(source.paths, group)))
  shown = {
    'input_mask': fields['input_mask'],
    'position': tf.constant(group.take),
  }
  groups = tf.data.Dataset.from_tensors(
    (_sort(shown, source, order), tf.constant(batch_order))
  )
  return length_buckets.batches_of(groups, order.batch_size)


def _sort(
  fields: Mapping[str, tf.Tensor], source: RecordSource, order: TrainingOrder
) -> length_buckets.SortedGroup:
  length = source.dims['S']
  return length_buckets.sort(
    fields,
    order.batch_size,
    length_buckets.bucket_lengths(length),
    length_buckets.padded_lengths(length),
  )


@traced_as_written
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
      `masked_lm_denominator` and `token_denominator`, float32 scalars: the
      losses of the global batch are divided by them;
      `first_example`, int64 scalar: the row of the global batch at which this
      element begins.

  Raises:
    UserError: the batch cannot be cut into `num_replicas` equal parts.
  """
  if order.batch_size % num_replicas:
    raise UserError(
      f'`train_batch_size`={order.batch_size} cannot be split into '
      f'{num_replicas} equal parts, one for each replica'
    )
  num_threads = max(1, threads.num_cores() // _CORES_PER_THREAD)

  def parse(serialized, positions, batch_order):
    fields = source.examples(serialized, positions)
    return _sort(fields, source, order), batch_order

  groups = _groups_from(source, order, start_step)
  groups = groups.map(parse, num_parallel_calls=num_threads, deterministic=True)
  dataset = length_buckets.batches_of(
    groups.prefetch(1), order.batch_size, num_threads
  )
  rows = order.batch_size // num_replicas
  own = range(num_replicas) if own is None else own
  dataset = dataset.map(_add_denominators).flat_map(
    lambda batch: tf.data.Dataset.zip(
      tf.data.Dataset.from_tensors(batch).repeat(),
      tf.data.Dataset.range(own.start, own.stop),
    )
  )
  dataset = dataset.map(
    lambda batch, replica: _rows_from(batch, replica * rows, rows)
  )
  # Without a declared cardinality, the workers of a job agree before each step
  # on whether another batch exists, which takes a second reduction.
  dataset = dataset.apply(
    tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
  )
  return dataset.prefetch(4 * len(own)).with_options(OPTIONS)


def _groups_from(
  source: RecordSource, order: TrainingOrder, start_step: int
) -> tf.data.Dataset:
  """Yields the records of each group, beginning with the group of `start_step`.

  Returns:
    A dataset of tuples: the serialized records, string [k*B]; the group's
    `positions` and `batch_order`. The first `batch_order` begins with the batch
    of `start_step`.
  """
  first_group, skip = order.locate(start_step)

  def groups():
    for number in itertools.count(first_group):
      group = order.group(number)
      first = skip if number == first_group else 0
      try:
        serialized = _read_group(source.paths, group)
      except UserError as error:
        source.failures.append(error)
        raise
      yield serialized, group.positions, group.batch_order[first:]

  dtypes = (tf.string, tf.int64, tf.int64)
  return tf.data.Dataset.from_generator(
    groups,
    output_signature=tuple(tf.TensorSpec([None], dtype) for dtype in dtypes),
  )


def _read_group(paths: Sequence[str], group: Group) -> list[bytes]:
  """Returns a group's serialized records, in the order of `take`."""
  windows: list[list[bytes]] = [[] for _ in group.files]

  def read(number: int) -> None:
    path = paths[number]
    with files.open_stream(path) as file:
      for i in np.flatnonzero(group.files == number).tolist():
        windows[i] = record_reader.read_from(
          file,
          path,
          int(group.offsets[i]),
          int(group.counts[i]),
          int(group.ends[i]),
        )

  # Each file is opened once, and few at a time: a group may span thousands.
  numbers = np.unique(group.files).tolist()
  if all(file_systems.local_path(paths[number]) for number in numbers):
    for number in numbers:
      read(number)
  else:
    with futures.ThreadPoolExecutor(_REMOTE_READS) as pool:
      list(pool.map(read, numbers))
  records = list(itertools.chain.from_iterable(windows))
  return [records[i] for i in group.take.tolist()]


def _add_denominators(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  """Adds the numbers by which the losses of the global batch are divided."""
  rows = tf.shape(batch['input_ids'])[0]
  batch['example_denominator'] = tf.cast(rows, tf.float32)
  if 'masked_lm_weights' in batch:
    # google-research/bert adds 1e-5, for a batch without masked positions.
    total = tf.reduce_sum(batch['masked_lm_weights'])
    batch['masked_lm_denominator'] = total + 1e-5
    num_tokens = tf.reduce_sum(batch['input_mask'])
    batch['token_denominator'] = tf.cast(num_tokens, tf.float32)
  return batch


def _rows_from(batch, first, count: int) -> dict[str, tf.Tensor]:
  """Cuts rows [first, first + count) from a global batch."""
  part = {
    name: value[first : first + count] if value.shape.rank else value
    for name, value in batch.items()
  }
  part['first_example'] = tf.cast(first, tf.int64)
  return part
