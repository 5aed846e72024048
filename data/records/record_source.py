"""Record files and what their fields must look like."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf

from data.records import tfrecords
from data.records.feature_spec import Field
from system import files
from system.errors import UserError

# What TensorFlow cannot parse it quotes in its message; if that is no text,
# Python fails to read the message.
_STRANGE_VALUES = (tf.errors.InvalidArgumentError, UnicodeDecodeError)
# What reading and parsing records ends with.
_DATA_ERRORS = (
  *_STRANGE_VALUES,
  tf.errors.DataLossError,
  tf.errors.NotFoundError,
  tf.errors.PermissionDeniedError,
  tf.errors.UnknownError,
)
_BATCH = 1024
# What bounds a range from above; the number takes the place of '{}'.
_EXPLAINED_BOUNDS = {
  'C': ', the task has {} labels',
  'S': ', --max_seq_length is {}',
  'T': ", the model's type_vocab_size is {}",
  'V': ', the vocabulary has {} tokens: the records were made with another one',
}


@dataclasses.dataclass(frozen=True)
class RecordSource:
  """Which records, and what their fields look like.

  Attributes:
    paths: TFRecord files.
    fields: the record's fields, from `data.records.feature_spec`.
    dims: the numbers behind the letters of the fields' lengths and ranges,
      such as {'S': 128, 'P': 20}.
    vocab_size: V.
    type_vocab_size: T.
    complete: adds fields that are not stored but computed; maps what was parsed
      and the records' numbers, int64 [G], to all fields.
  """

  paths: tuple[str, ...]
  fields: tuple[Field, ...]
  dims: Mapping[str, int]
  vocab_size: int
  type_vocab_size: int = 2
  complete: (
    Callable[[dict[str, tf.Tensor], tf.Tensor], dict[str, tf.Tensor]] | None
  ) = None

  def check(self) -> None:
    """Checks the first record of every file against the fields.

    Raises:
      UserError: the first record that does not fit, by file and number.
    """
    for path in self.paths:
      for raw in tfrecords.read(path, 1):
        self._check_record(raw, f'{path}, record 0')

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
      if wrong := self._wrong_length(field, len(values)):
        raise UserError(f'{where}: {field.name} has {wrong}')
      if wrong := self._out_of_range(field, values):
        raise UserError(f'{where}: {field.name} holds {wrong}')

  def _wrong_length(self, field: Field, length: int) -> str:
    """Says what is wrong with a field's number of values; '' if nothing."""
    if field.length is None:
      if 1 <= length <= self.dims['S']:
        return ''
      expected = f'1 to {self.dims["S"]} (--max_seq_length)'
    else:
      expected = self.dims.get(field.length, field.length)
      if length == expected:
        return ''
      expected = f'{expected} ({_explain_length(field)})'
    return f'{length} values, expected {expected}'

  def _out_of_range(self, field: Field, values: Sequence[int]) -> str:
    """Says which value is out of a field's range; '' if none is."""
    if field.range is None:
      return ''
    low, high = self._range(field)
    for value in values:
      if not low <= value < high:
        why = _EXPLAINED_BOUNDS.get(field.range[1], '')
        return f'{value}, expected {low} to {high - 1}{why.format(high)}'
    return ''

  def _range(self, field: Field) -> tuple[int, int]:
    """Returns a field's lowest value, and what all lie below."""
    low, high = field.range
    sizes = {**self.dims, 'V': self.vocab_size, 'T': self.type_vocab_size}
    return low, sizes.get(high, high)

  @contextlib.contextmanager
  def explained(
    self, indexes: Sequence[tfrecords.Index] = ()
  ) -> Iterator[None]:
    """Looks for what is wrong when the block fails for a data error.

    Args:
      indexes: by which the files are read, if they are.

    Raises:
      UserError: names the record that is damaged or does not fit, or the file
        that is gone or has changed.
    """
    try:
      yield
    except _DATA_ERRORS:
      for path in self.paths:
        files.require_file(path, 'a file of records')
        if not indexes:
          tfrecords.scan(path)
      for index in indexes:
        tfrecords.check_index(index)
      self._check_all()
      raise

  def _check_all(self) -> None:
    """Checks every record: all of a batch first, for that is fast."""
    for path in self.paths:
      number = 0
      for batch in tf.data.TFRecordDataset(path).batch(_BATCH):
        try:
          self.parse(batch)
        except _STRANGE_VALUES:
          for i, raw in enumerate(batch.numpy()):
            self._check_record(raw, f'{path}, record {number + i}')
        number += len(batch)

  def examples(
    self, serialized: tf.Tensor, numbers: tf.Tensor
  ) -> dict[str, tf.Tensor]:
    """Parses records, and adds the fields that are computed.

    Args:
      serialized: string [G].
      numbers: int64 [G], what tells each record from all others of the run: in
        training its position in the stream of `TrainingOrder`, which no other
        epoch has; otherwise its place among the records of all files.
    """
    parsed = self.parse(serialized)
    return self.complete(parsed, numbers) if self.complete else parsed

  def parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses string [G] to the fields, int32 or float32 [G, length].

    A value out of its range, and a length that no such field has, end in
    `tf.errors.InvalidArgumentError`; `explained` finds the record.
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
        name: dense(value, length)
        for name, value in parsed.items()
        if value.dtype != tf.string
      }

  def _fits(self, parsed: Mapping) -> tf.Tensor:
    """Returns whether `_check_record` would accept parsed records; a bool."""
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


def dense(value, length: int) -> tf.Tensor:
  if isinstance(value, tf.RaggedTensor):
    value = value.to_tensor(shape=[None, length])
  return tf.cast(value, tf.int32) if value.dtype == tf.int64 else value
