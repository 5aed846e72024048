"""Checks that a TensorFlow checkpoint's files are complete, without TensorFlow.

The index file is a table of LevelDB: blocks of keys and values, an index of the
blocks, and a footer. Its values are the messages of tensor_bundle.proto, which
say in which data file a tensor is, and where.
"""

import struct
from collections.abc import Iterator

from modeling.checkpoints.file_names import INDEX
from system import files
from system.errors import UserError

_FOOTER = struct.Struct('<40sQ')
_MAGIC = 0xDB4775248B80FB57
_UINT32 = struct.Struct('<I')
# The numbers of fields in BundleHeaderProto and BundleEntryProto.
_NUM_SHARDS = 1
_SHARD, _OFFSET, _SIZE = 3, 4, 5
# Wire type of a protocol buffer → bytes of its values.
_FIXED_BYTES = {1: 8, 5: 4}
_VARINT, _BYTES = 0, 2


class _CompressedError(Exception):
  """A block is compressed; only TensorFlow can read it."""


def check(prefix: str) -> None:
  """Checks that the index can be read and the data files are long enough.

  Checksums are not compared: TensorFlow does that when it reads.

  Args:
    prefix: the prefix of a checkpoint, whose index file exists.

  Raises:
    UserError: the index is damaged, or a data file is missing or cut off.
  """
  path = prefix + INDEX
  with files.open_stream(path) as file:
    content = file.read()
  try:
    num_bytes = _data_sizes(content)
  except _CompressedError:
    return
  except (IndexError, ValueError, struct.error) as error:
    raise UserError(
      f'{path} cannot be read, it may be damaged or incomplete: {error}'
    ) from error
  for suffix, expected in sorted(num_bytes.items()):
    _check_size(prefix + suffix, expected, path)


def _check_size(path: str, expected: int, index: str) -> None:
  if not files.exists(path):
    raise UserError(f'{path} cannot be found: {index} needs it')
  if (found := files.size(path)) < expected:
    raise UserError(
      f'{path} cannot be read, it may be damaged or incomplete: it has '
      f'{found:,} bytes, expected {expected:,}'
    )


def _data_sizes(table: bytes) -> dict[str, int]:
  """Maps the suffix of each data file to the bytes that it must have."""
  entries = _entries(table)
  key_size, header = next(entries, (1, b''))
  count = _fields(header).get(_NUM_SHARDS, 0)
  if key_size or not 1 <= count <= 99_999:
    raise ValueError('it has no header of a checkpoint')
  sizes: dict[str, int] = {}
  for _, value in entries:
    entry = _fields(value)
    if (shard := entry.get(_SHARD, 0)) >= count:
      raise ValueError(f'it names data file {shard} of {count}')
    suffix = f'.data-{shard:05d}-of-{count:05d}'
    end = entry.get(_OFFSET, 0) + entry.get(_SIZE, 0)
    sizes[suffix] = max(end, sizes.get(suffix, 0))
  return sizes


def _entries(table: bytes) -> Iterator[tuple[int, bytes]]:
  """Yields the length of each key's new part, and the value."""
  if len(table) < _FOOTER.size:
    raise ValueError(f'it has only {len(table)} bytes')
  handles, magic = _FOOTER.unpack(table[-_FOOTER.size :])
  if magic != _MAGIC:
    raise ValueError('it does not end as the index of a checkpoint')
  _, position = _handle(handles, 0)
  blocks, _ = _handle(handles, position)
  last = 0
  for _, value in _block(table, *blocks):
    (offset, size), _ = _handle(value, 0)
    # Blocks that overlap would be read again and again.
    if offset < last:
      raise ValueError(f'its block at byte {offset} overlaps another')
    last = offset + size
    yield from _block(table, offset, size)


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[int, bytes]]:
  end = offset + size
  if end >= len(table) or size < _UINT32.size:
    raise ValueError(f'it has no block of {size} bytes at byte {offset}')
  if table[end]:
    raise _CompressedError
  (num_restarts,) = _UINT32.unpack_from(table, end - _UINT32.size)
  end -= _UINT32.size * (num_restarts + 1)
  position = offset
  while position < end:
    _, position = _varint(table, position)  # The key's part that is repeated.
    key_size, position = _varint(table, position)
    value_size, position = _varint(table, position)
    position += key_size + value_size
    yield key_size, table[position - value_size : position]
  if position > max(end, offset):
    raise ValueError(f'its block at byte {offset} is cut off')


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
  """Returns a block's offset and size, and the position after them."""
  offset, position = _varint(data, position)
  size, position = _varint(data, position)
  return (offset, size), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
  value = 0
  for shift in range(0, 64, 7):
    byte = data[position]
    position += 1
    value |= (byte & 0x7F) << shift
    if byte < 0x80:
      return value, position
  raise ValueError(f'the number at byte {position} is too long')


def _fields(message: bytes) -> dict[int, int]:
  """Returns number → value of the integer fields of a protocol buffer."""
  fields, position = {}, 0
  while position < len(message):
    tag, position = _varint(message, position)
    number, wire = tag >> 3, tag & 7
    if wire == _VARINT:
      fields[number], position = _varint(message, position)
    elif wire == _BYTES:
      size, position = _varint(message, position)
      position += size
    elif wire in _FIXED_BYTES:
      position += _FIXED_BYTES[wire]
    else:
      raise ValueError(f'a field has the unknown type {wire}')
  return fields
