"""Many `tf.train.Example`s at once, serialized by numpy.

Building protocol buffers one by one costs more than everything else that makes
a pre-training record. Here the bytes of a batch are laid out in one array, a
row per record, with room for the longest form of each number; what is not used
is squeezed out at the end. The bytes are a function of the values alone, which
a protocol buffer's own map fields do not promise.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from data.features import Field

# Tags of protocol buffers: the field's number * 8 + 2 (a length and so many
# bytes follow). Example.features, Features.feature, the key and the value of a
# map's entry, the packed values of a list.
_EXAMPLE_FEATURES = b'\x0a'
_FEATURES_ENTRY = b'\x0a'
_ENTRY_KEY = b'\x0a'
_ENTRY_VALUE = b'\x12'
_LIST_VALUES = b'\x0a'
# Feature.float_list and Feature.int64_list.
_FEATURE_LIST = {'float32': b'\x12', 'int64': b'\x1a'}


class _Piece:
  """Bytes of N records, some of them unused.

  Attributes:
    values: uint8 [N, width].
    used: bool [N, width].
    lengths: int64 [N], the bytes used.
  """

  def __init__(self, values: np.ndarray, used: np.ndarray):
    self.values = values
    self.used = used
    self.lengths = used.sum(axis=1)


def serialize(
  columns: Mapping[str, np.ndarray], fields: Sequence[Field]
) -> list[bytes]:
  """Serializes a batch of records.

  Args:
    columns: by field name, integers that are not negative or floats [N, k].
    fields: what a record consists of, in the order of the bytes.

  Returns:
    N serialized `tf.train.Example`s.
  """
  pieces: list[_Piece] = []
  for field in fields:
    pieces += _entry(field, columns[field.name])
  pieces = _prefixed(_EXAMPLE_FEATURES, pieces)
  lengths = _total(pieces)
  values = np.concatenate([piece.values for piece in pieces], axis=1)
  used = np.concatenate([piece.used for piece in pieces], axis=1)
  joined = np.compress(used.ravel(), values.ravel()).tobytes()
  ends = np.cumsum(lengths).tolist()
  return [joined[start:end] for start, end in itertools.pairwise([0, *ends])]


def _entry(field: Field, values: np.ndarray) -> list[_Piece]:
  """One feature of all records: name and values."""
  if field.dtype == 'float32':
    little_endian = np.ascontiguousarray(values, '<f4').view(np.uint8)
    pieces = [_Piece(little_endian, np.ones_like(little_endian, bool))]
  else:
    pieces = [_varints(values)]
  pieces = _prefixed(_LIST_VALUES, pieces)
  pieces = _prefixed(_FEATURE_LIST[field.dtype], pieces)
  pieces = _prefixed(_ENTRY_VALUE, pieces)
  name = field.name.encode()
  key = _constant(_ENTRY_KEY + bytes([len(name)]) + name, len(values))
  return _prefixed(_FEATURES_ENTRY, [key, *pieces])


def _prefixed(tag: bytes, pieces: list[_Piece]) -> list[_Piece]:
  """Puts a tag and the pieces' length before them."""
  lengths = _total(pieces)
  return [_constant(tag, len(lengths)), _varints(lengths[:, None]), *pieces]


def _total(pieces: list[_Piece]) -> np.ndarray:
  """Returns how many bytes each record has, int64 [N]."""
  return np.sum([piece.lengths for piece in pieces], axis=0)


def _constant(text: bytes, num_rows: int) -> _Piece:
  """The same bytes in all records."""
  values = np.frombuffer(text, np.uint8)
  shape = (num_rows, len(text))
  return _Piece(np.broadcast_to(values, shape), np.ones(shape, bool))


def _varints(values: np.ndarray) -> _Piece:
  """Integers [N, k] in groups of 7 bits, the lowest first; the high bit of a
  byte says that another one follows."""
  width = max(1, -(-int(values.max(initial=0)).bit_length() // 7))
  shape = (len(values), values.shape[1], width)
  encoded = np.empty(shape, np.uint8)
  used = np.empty(shape, bool)
  for i in range(width):
    rest = values >> (7 * i)
    encoded[:, :, i] = (rest & 0x7F) | ((rest > 0x7F) << 7)
    used[:, :, i] = (rest > 0) | (i == 0)
  flat = (len(values), -1)
  return _Piece(encoded.reshape(flat), used.reshape(flat))
