"""Serializes batches of records as `tf.train.Example`s with compiled loops.

Building protocol buffers one by one takes longer than all other work on a
pre-training record; this module makes no object for a record. Its bytes depend
on the values alone, whereas protobuf does not fix the order of a map's entries.

Letters: N records, F fields, W values of all fields of a record.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.records.feature_spec import Field
from system.numba_jit import jit

# Tags of protocol buffers: the field's number * 8 + 2; a length and that many
# bytes follow. In this order: Example.features, Features.feature, the key and
# the value of a map's entry, the packed values of a list.
_EXAMPLE_FEATURES = 0x0A
_FEATURES_ENTRY = 0x0A
_ENTRY_KEY = 0x0A
_ENTRY_VALUE = 0x12
_LIST_VALUES = 0x0A
# Feature.float_list and Feature.int64_list.
_FLOAT_LIST, _INT64_LIST = 0x12, 0x1A

_7, _0x7F, _0x80 = np.uint64(7), np.uint64(0x7F), np.uint64(0x80)


@dataclasses.dataclass(frozen=True)
class Serialized:
  """N records in one buffer.

  Attributes:
    buffer: uint8 [bytes].
    ends: int64 [N], where each record ends in `buffer`.
  """

  buffer: np.ndarray
  ends: np.ndarray

  def to_list(self) -> list[bytes]:
    """Returns the records, N byte strings."""
    joined = self.buffer.tobytes()
    ends = self.ends.tolist()
    return [joined[start:end] for start, end in itertools.pairwise([0, *ends])]


class Layout(NamedTuple):
  """Where the fields are in a row of values, and their names."""

  is_float: np.ndarray  # bool [F]
  ends: np.ndarray  # int64 [F], where each field's values end in a row
  keys: np.ndarray  # uint8 [bytes], the keys of the map's entries
  key_ends: np.ndarray  # int64 [F], where each key ends in `keys`


def layout_of(fields: Sequence[Field], widths: Sequence[int]) -> Layout:
  """Returns the layout of rows.

  Args:
    fields: the record's fields, in the order of the values and of the bytes.
    widths: the number of values of each field.
  """
  names = [field.name.encode() for field in fields]
  keys = [bytes([_ENTRY_KEY, len(name)]) + name for name in names]
  return Layout(
    np.array([field.dtype == 'float32' for field in fields]),
    np.cumsum(widths),
    np.frombuffer(b''.join(keys), np.uint8),
    np.cumsum([*map(len, keys)]),
  )


def serialize(
  columns: Mapping[str, np.ndarray], fields: Sequence[Field]
) -> Serialized:
  """Serializes a batch of records as `tf.train.Example`s.

  Args:
    columns: field name → non-negative integers or floats [N, k].
    fields: the record's fields, in the order of the bytes.
  """
  values = [
    np.ascontiguousarray(columns[field.name], np.float32).view(np.int32)
    if field.dtype == 'float32'
    else columns[field.name]
    for field in fields
  ]
  layout = layout_of(fields, [column.shape[1] for column in values])
  rows = np.concatenate(values, axis=1, dtype=np.int64)
  return Serialized(*serialize_rows(rows, layout))


@jit
def serialize_rows(rows, layout):
  """Serializes records whose values are side by side.

  Args:
    rows: int32 or int64 [N, W], non-negative integers, and the bits of floats.
    layout: the fields' `Layout`.

  Returns:
    The arrays of `Serialized`.
  """
  num_fields = len(layout.ends)
  packed = np.empty((len(rows), num_fields), np.int64)
  bodies = np.zeros(len(rows), np.int64)
  ends = np.empty(len(rows), np.int64)
  end = 0
  for i in range(len(rows)):
    for field in range(num_fields):
      packed[i, field] = _packed_size(rows[i], layout, field)
      entry = _entry_size(packed[i, field], layout, field)
      bodies[i] += _with_header(entry)
    end += _with_header(bodies[i])
    ends[i] = end
  buffer = np.empty(end, np.uint8)
  at = 0
  for i in range(len(rows)):
    at = _put_header(buffer, at, _EXAMPLE_FEATURES, bodies[i])
    for field in range(num_fields):
      at = _put_entry(buffer, at, rows[i], packed[i, field], layout, field)
  return buffer, ends


@jit
def _start(ends, number):
  """Returns where a part begins, given where all parts end."""
  return ends[number - 1] if number else 0


@jit
def _packed_size(row, layout, field):
  """Returns the bytes of a field's packed values."""
  start, end = _start(layout.ends, field), layout.ends[field]
  if layout.is_float[field]:
    return 4 * (end - start)
  size = 0
  for i in range(start, end):
    size += _varint_size(row[i])
  return size


@jit
def _with_header(size):
  """Returns the bytes of a tag, a length and `size` bytes."""
  return 1 + _varint_size(size) + size


@jit
def _entry_size(packed, layout, field):
  """Returns the bytes of a field's entry, without its header."""
  key = layout.key_ends[field] - _start(layout.key_ends, field)
  return key + _with_header(_with_header(_with_header(packed)))


@jit
def _put_entry(buffer, at, row, packed, layout, field):
  """Writes a field's entry; returns the position after it."""
  values = _with_header(packed)
  entry = _entry_size(packed, layout, field)
  at = _put_header(buffer, at, _FEATURES_ENTRY, entry)
  for i in range(_start(layout.key_ends, field), layout.key_ends[field]):
    buffer[at] = layout.keys[i]
    at += 1
  at = _put_header(buffer, at, _ENTRY_VALUE, _with_header(values))
  is_float = layout.is_float[field]
  at = _put_header(buffer, at, _FLOAT_LIST if is_float else _INT64_LIST, values)
  at = _put_header(buffer, at, _LIST_VALUES, packed)
  for i in range(_start(layout.ends, field), layout.ends[field]):
    if is_float:
      at = _put_float(buffer, at, row[i])
    else:
      at = _put_varint(buffer, at, row[i])
  return at


@jit
def _varint_size(value):
  size = 1
  rest = np.uint64(value) >> _7
  while rest:
    size += 1
    rest >>= _7
  return size


@jit
def _put_varint(buffer, at, value):
  """Writes a varint and returns the position after it.

  Groups of 7 bits, the lowest first; a byte's high bit is set if another byte
  follows.
  """
  rest = np.uint64(value)
  while rest > _0x7F:
    buffer[at] = (rest & _0x7F) | _0x80
    at += 1
    rest >>= _7
  buffer[at] = rest
  return at + 1


@jit
def _put_float(buffer, at, bits):
  """Writes the lowest four bytes of `bits`; returns the position after them."""
  for i in range(4):
    buffer[at + i] = (bits >> (8 * i)) & 0xFF
  return at + 4


@jit
def _put_header(buffer, at, tag, length):
  """Writes a tag and a length; returns the position after them."""
  buffer[at] = tag
  return _put_varint(buffer, at + 1, length)
