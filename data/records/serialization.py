"""Serializes batches of records as `tf.train.Example`s with compiled loops.

Building protocol buffers one by one takes longer than all other work on a
pre-training record; this module makes no object for a record. Its bytes depend
on the values alone, whereas protobuf does not fix the order of a map's entries.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from data.records.feature_spec import Field
from system.compiled import compiled

# Tags of protocol buffers: the field's number * 8 + 2; a length and that many
# bytes follow. In this order: Example.features, Features.feature, the key and
# the value of a map's entry, the packed values of a list.
_EXAMPLE_FEATURES = 0x0A
_FEATURES_ENTRY = 0x0A
_ENTRY_KEY = 0x0A
_ENTRY_VALUE = 0x12
_LIST_VALUES = 0x0A
# Feature.float_list and Feature.int64_list.
_FEATURE_LIST = {'float32': 0x12, 'int64': 0x1A}

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


def serialize(
  columns: Mapping[str, np.ndarray], fields: Sequence[Field]
) -> Serialized:
  """Serializes a batch of records as `tf.train.Example`s.

  Args:
    columns: field name → non-negative integers or floats [N, k].
    fields: the record's fields, in the order of the bytes.
  """
  entries = [_Entry(field, columns[field.name]) for field in fields]
  body = sum(entry.total for entry in entries)
  ends = np.cumsum(1 + _sizes_of(body) + body)
  at = np.concatenate([[0], ends[:-1]])
  buffer = np.empty(ends[-1] if len(ends) else 0, np.uint8)
  _put_header(buffer, at, _EXAMPLE_FEATURES, body)
  for entry in entries:
    entry.put(buffer, at)
  return Serialized(buffer, ends)


class _Entry:
  """One feature of all records: its name and its values.

  Attributes:
    total: int64 [N], the entry's bytes, headers included.
  """

  def __init__(self, field: Field, values: np.ndarray):
    name = field.name.encode()
    self._key = np.frombuffer(bytes([_ENTRY_KEY, len(name)]) + name, np.uint8)
    self._list_tag = _FEATURE_LIST[field.dtype]
    if field.dtype == 'float32':
      self._values = np.ascontiguousarray(values, '<f4').view(np.uint8)
      count, width = self._values.shape
      self._packed = np.full(count, width, np.int64)
    else:
      self._values = np.ascontiguousarray(values, np.int64)
      self._packed = _packed_sizes(self._values)
    self._list = 1 + _sizes_of(self._packed) + self._packed
    self._value = 1 + _sizes_of(self._list) + self._list
    self._entry = len(self._key) + 1 + _sizes_of(self._value) + self._value
    self.total = 1 + _sizes_of(self._entry) + self._entry

  def put(self, buffer: np.ndarray, at: np.ndarray) -> None:
    """Writes record i's entry at `at[i]` and advances `at[i]` to its end."""
    _put_header(buffer, at, _FEATURES_ENTRY, self._entry)
    _put_constant(buffer, at, self._key)
    _put_header(buffer, at, _ENTRY_VALUE, self._value)
    _put_header(buffer, at, self._list_tag, self._list)
    _put_header(buffer, at, _LIST_VALUES, self._packed)
    if self._values.dtype == np.uint8:
      _put_bytes(buffer, at, self._values)
    else:
      _put_varints(buffer, at, self._values)


@compiled
def _varint_size(value):
  size = 1
  rest = np.uint64(value) >> _7
  while rest:
    size += 1
    rest >>= _7
  return size


@compiled
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


@compiled
def _sizes_of(values):
  sizes = np.empty(len(values), np.int64)
  for i in range(len(values)):
    sizes[i] = _varint_size(values[i])
  return sizes


@compiled
def _packed_sizes(values):
  sizes = np.zeros(len(values), np.int64)
  for i in range(values.shape[0]):
    for j in range(values.shape[1]):
      sizes[i] += _varint_size(values[i, j])
  return sizes


@compiled
def _put_header(buffer, at, tag, lengths):
  for i in range(len(at)):
    buffer[at[i]] = tag
    at[i] = _put_varint(buffer, at[i] + 1, lengths[i])


@compiled
def _put_constant(buffer, at, text):
  for i in range(len(at)):
    for j in range(len(text)):
      buffer[at[i] + j] = text[j]
    at[i] += len(text)


@compiled
def _put_bytes(buffer, at, values):
  width = values.shape[1]
  for i in range(len(at)):
    for j in range(width):
      buffer[at[i] + j] = values[i, j]
    at[i] += width


@compiled
def _put_varints(buffer, at, values):
  for i in range(values.shape[0]):
    position = at[i]
    for j in range(values.shape[1]):
      position = _put_varint(buffer, position, values[i, j])
    at[i] = position
