"""Record files and their fields: parsing, checking, and explaining failures."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf
from absl import logging

from data.records import record_index, record_reader
from data.records.feature_spec import Field
from system import files, threads
from system.errors import Unavailable, UserError, reason_of

# TensorFlow quotes the bytes that it cannot parse in its message; if they are
# not UTF-8, Python cannot decode the message.
_PARSE_ERRORS = (tf.errors.InvalidArgumentError, UnicodeDecodeError)
# Errors of reading and of parsing records.
_DATA_ERRORS = (
  *_PARSE_ERRORS,
  tf.errors.DataLossError,
  tf.errors.NotFoundError,
  tf.errors.PermissionDeniedError,
  tf.errors.UnknownError,
)
# In the message if a TPU's compiler refuses a step.
_COMPILING = 'Compilation failure'
_CHECKED_AT_ONCE = 1024
# Where a range's upper bound comes from; '{}' is its number.
_BOUND_SOURCES = {
  'C': ', the task has {} labels',
  'S': ', `max_seq_length` is {}',
  'T': ", the model's type_vocab_size is {}",
  'V': ', the vocabulary has {} tokens: the records were made with another one',
}


@dataclasses.dataclass(frozen=True)
class RecordSource:
  """Record files, and the fields of their records.

  Attributes:
    paths: TFRecord files.
    fields: the record's fields, from `data.records.feature_spec`.
    dims: the numbers behind the letters of the fields' lengths and ranges,
      such as {'S': 128, 'P': 20}.
    vocab_size: V.
    type_vocab_size: T.
    complete: adds computed fields; maps the parsed fields [G, ...] and the
      records' numbers, int64 [G], to all fields.
    failures: takes the errors of reading in TensorFlow's threads, which hands
      on their texts only.
  """

  paths: tuple[str, ...]
  fields: tuple[Field, ...]
  dims: Mapping[str, int]
  vocab_size: int
  type_vocab_size: int = 2
  complete: (
    Callable[[dict[str, tf.Tensor], tf.Tensor], dict[str, tf.Tensor]] | None
  ) = None
  failures: list[UserError] = dataclasses.field(
    default_factory=list, repr=False, compare=False
  )

  def check(self) -> None:
    """Checks the first record of every file against the fields.

    Raises:
      UserError: a record does not fit; the message names the file, the record
        and the field.
    """
    threads.concurrent_map(self._check_first, self.paths)

  def _check_first(self, path: str) -> None:
    for raw in record_reader.read(path, 1):
      self._check_record(raw, f'{path}, record 0')

  def _check_record(self, raw: bytes, where: str) -> None:
    try:
      features = tf.train.Example.FromString(raw).features.feature
    except Exception as error:  # DecodeError's module differs by version.
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
      if mistake := self._check_length(field, len(values)):
        raise UserError(f'{where}: {field.name} has {mistake}')
      if mistake := self._check_range(field, values):
        raise UserError(f'{where}: {field.name} holds {mistake}')

  def _check_length(self, field: Field, length: int) -> str:
    """Describes a wrong number of values; returns '' if it is right."""
    if field.length is None:
      if 1 <= length <= self.dims['S']:
        return ''
      expected = f'1 to {self.dims["S"]} (`max_seq_length`)'
    else:
      expected = self.dims.get(field.length, field.length)
      if length == expected:
        return ''
      expected = f'{expected} ({_name_length(field)})'
    return f'{length} values, expected {expected}'

  def _check_range(self, field: Field, values: Sequence[int]) -> str:
    """Describes the first value out of a field's range; '' if all are in it."""
    if field.range is None:
      return ''
    low, high = self._range(field)
    for value in values:
      if not low <= value < high:
        bound_source = _BOUND_SOURCES.get(field.range[1], '').format(high)
        return f'{value}, expected {low} to {high - 1}{bound_source}'
    return ''

  def _range(self, field: Field) -> tuple[int, int]:
    """Returns a field's range [low, high) in numbers."""
    low, high = field.range
    sizes = {**self.dims, 'V': self.vocab_size, 'T': self.type_vocab_size}
    return low, sizes.get(high, high)

  @contextlib.contextmanager
  def explained(
    self, indexes: Sequence[record_index.Index] = ()
  ) -> Iterator[None]:
    """Finds the cause if the block fails with a data error.

    Args:
      indexes: the indexes by which the block reads the files; empty if it reads
        them from the beginning.

    Raises:
      Unavailable: a file could not be read, but may be later.
      UserError: the message names the record that is damaged or does not fit,
        or the file that is missing or has changed.
    """
    try:
      yield
    except _DATA_ERRORS as error:
      if _COMPILING in str(error):
        raise
      failure = next(iter(self.failures), None)
      if isinstance(failure, Unavailable):
        raise failure from None
      # It takes hours for hundreds of gigabytes.
      logging.warning(
        'Looks for the cause in %d files of records: %s',
        *(len(self.paths), reason_of(error).partition('\n')[0]),
      )
      for path in self.paths:
        files.require_file(path, 'a file of records')
        if not indexes:
          record_index.scan(path)
      for index in indexes:
        record_index.check_index(index)
      self._check_all()
      raise failure or error from None

  def _check_all(self) -> None:
    """Checks every record: batches first, one by one where a batch fails."""
    for path in self.paths:
      records = record_reader.read(path)
      number = 0
      while batch := list(itertools.islice(records, _CHECKED_AT_ONCE)):
        try:
          self.parse(tf.constant(batch))
        except _PARSE_ERRORS:
          for i, raw in enumerate(batch):
            self._check_record(raw, f'{path}, record {number + i}')
        number += len(batch)

  def examples(
    self, serialized: tf.Tensor, numbers: tf.Tensor
  ) -> dict[str, tf.Tensor]:
    """Parses records and adds the computed fields.

    Args:
      serialized: string [G].
      numbers: int64 [G], unique in the run: in training a record's position in
        the stream of `TrainingOrder`, which differs in each epoch; otherwise
        its number among the records of all files.
    """
    parsed = self.parse(serialized)
    return self.complete(parsed, numbers) if self.complete else parsed

  def parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses string [G] to the fields, int32 or float32 [G, length].

    Raises:
      tf.errors.InvalidArgumentError: a value is out of its field's range, or a
        field has a wrong number of values; `explained` finds the record.
    """
    spec = {field.name: self._feature(field) for field in self.fields}
    parsed = tf.io.parse_example(serialized, spec)
    length = self.dims['S']
    checked = tf.debugging.Assert(self._fits(parsed), ['out of range'])
    with tf.control_dependencies([checked]):
      if isinstance(parsed['input_ids'], tf.RaggedTensor):
        lengths = parsed['input_ids'].row_lengths()
        parsed['input_mask'] = tf.sequence_mask(lengths, length, tf.int32)
      return {
        name: _dense(value, length)
        for name, value in parsed.items()
        if value.dtype != tf.string
      }

  def _fits(self, parsed: Mapping) -> tf.Tensor:
    """Returns whether `_check_record` would accept all records; a bool."""
    fits = []
    for field in self.fields:
      values = parsed[field.name]
      if isinstance(values, tf.RaggedTensor):
        lengths = values.row_lengths()
        fits += [lengths >= 1, lengths <= self.dims['S']]
        values = values.flat_values
      if field.range is not None:
        low, high = self._range(field)
        fits += [values >= low, values < high]
    return tf.reduce_all([tf.reduce_all(fit) for fit in fits])

  def _feature(self, field: Field):
    """Returns a field as `tf.io.parse_example` expects it."""
    dtype = {'int64': tf.int64, 'float32': tf.float32, 'bytes': tf.string}[
      field.dtype
    ]
    if field.length is None:
      return tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
    length = self.dims.get(field.length, field.length)
    return tf.io.FixedLenFeature([] if length == 1 else [length], dtype)


def _name_length(field: Field) -> str:
  return {'S': '`max_seq_length`', 'P': '`max_predictions_per_seq`'}.get(
    field.length, f'the length of {field.name}'
  )


def _dense(value: tf.Tensor | tf.RaggedTensor, length: int) -> tf.Tensor:
  """Pads ragged rows with zeros to `length`; casts int64 to int32."""
  if isinstance(value, tf.RaggedTensor):
    value = value.to_tensor(shape=[None, length])
  return tf.cast(value, tf.int32) if value.dtype == tf.int64 else value
