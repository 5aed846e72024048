"""Record files and what their fields must look like."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

import tensorflow as tf

from data import records
from data.errors import UserError
from data.features import Field


@dataclasses.dataclass(frozen=True)
class RecordSource:
  """Which records, and what their fields look like.

  Attributes:
    paths: TFRecord files.
    fields: the record's fields, from `data.features`.
    dims: the numbers behind the letters of the fields' lengths, such as
      {'S': 128, 'P': 20}.
    vocab_size: token ids must lie below it.
    type_vocab_size: segment ids must lie below it.
  """

  paths: tuple[str, ...]
  fields: tuple[Field, ...]
  dims: Mapping[str, int]
  vocab_size: int
  type_vocab_size: int = 2

  def check(self, every_record: bool = False) -> None:
    """Checks the first, or every, record of every file against the fields.

    Raises:
      UserError: the first record that does not fit, by file and number.
    """
    for path in self.paths:
      if every_record:
        records.scan(path)
      for number, raw in enumerate(
        records.read(path, None if every_record else 1)
      ):
        self._check_record(raw, f'{path}, record {number}')

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
      if field.name in ('input_ids', 'masked_lm_ids') and (
        max(values) >= self.vocab_size or min(values) < 0
      ):
        raise UserError(
          f'{where}: token id {max(values)} does not fit a vocabulary of '
          f'{self.vocab_size}: the records were made with another one'
        )
      if field.name == 'segment_ids' and max(values) >= self.type_vocab_size:
        raise UserError(
          f'{where}: segment id {max(values)} does not fit the model, whose '
          f'type_vocab_size is {self.type_vocab_size}'
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
    if 'masked_lm_ids' in parsed:
      in_range &= tf.reduce_all(parsed['masked_lm_ids'] < self.vocab_size)
    in_range &= tf.reduce_all(parsed['segment_ids'] < self.type_vocab_size)
    with tf.control_dependencies(
      [tf.debugging.Assert(in_range, ['an id beyond its table'])]
    ):
      return {
        name: dense(value, length)
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


def dense(value, length: int) -> tf.Tensor:
  if isinstance(value, tf.RaggedTensor):
    value = value.to_tensor(shape=[None, length])
  return tf.cast(value, tf.int32) if value.dtype == tf.int64 else value
