"""The frames of records in a TFRecord file: lengths and checksums.

A frame is a record's length (uint64) and the length's checksum (uint32) before
its bytes, and the bytes' checksum (uint32) after them; all little-endian.
The checksum is CRC-32C (Castagnoli), masked as TFRecord does: rotated right by
15 bits and offset, because a CRC of data that holds CRCs is weak.
"""

import numpy as np

from data.records.serialization import Serialized
from system.numba_jit import jit

HEADER_BYTES = 8 + 4
CHECKSUM_BYTES = 4
FRAME_BYTES = HEADER_BYTES + CHECKSUM_BYTES

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed.
_MASK_DELTA = np.uint32(0xA282EAD8)
_ALL_ONES = np.uint32(0xFFFFFFFF)
# Why a record is damaged; `_find_ends` returns an index.
_DAMAGES = (
  '',
  'its length does not match the checksum of the length',
  'its length reaches beyond the end of the file',
  'its bytes do not match their checksum',
)
_8, _15, _17, _0xFF = (np.uint32(n) for n in (8, 15, 17, 0xFF))


def _make_tables() -> np.ndarray:
  """Returns tables for eight bytes at a time, uint32 [8, 256].

  Row k continues a checksum by one byte and k zero bytes.
  """
  tables = np.zeros((8, 256), np.uint32)
  crc = np.arange(256, dtype=np.uint32)
  for _ in range(8):
    crc = np.where(crc & 1, crc >> 1 ^ np.uint32(_POLYNOMIAL), crc >> 1)
  tables[0] = crc
  for k in range(1, 8):
    tables[k] = tables[k - 1] >> 8 ^ crc[tables[k - 1] & 0xFF]
  return tables


# Of checksums; compiled functions take it as an argument.
TABLES = _make_tables()


def frame(records: Serialized) -> Serialized:
  """Puts frames around records, as a TFRecord file holds them."""
  return Serialized(*frame_all(records.buffer, records.ends, TABLES))


def ends_of(framed: np.ndarray, num_left: int) -> tuple[np.ndarray, str]:
  """Returns where the complete records end in a part of a TFRecord file.

  Verifies checksums. A length from the file decides nothing before it is
  verified and compared with `num_left`.

  Args:
    framed: uint8 [bytes], begins with a record's frame.
    num_left: bytes of the file from the beginning of `framed` on.

  Returns:
    int64 [N], and why the record after them is damaged; '' if it is intact or
    not complete.
  """
  ends = np.empty(len(framed) // FRAME_BYTES, np.int64)
  count, damage = _find_ends(framed, num_left, ends, TABLES)
  return ends[:count], _DAMAGES[damage]


def length_of(header: bytes) -> int:
  """Returns the length that a record's frame begins with."""
  return int.from_bytes(header[:8], 'little')


def frame_one(record: bytes) -> bytes:
  """Puts a frame around one record."""
  buffer = np.frombuffer(record, np.uint8)
  return frame(Serialized(buffer, np.array([len(record)]))).buffer.tobytes()


@jit
def frame_all(source, ends, tables):
  """Puts frames around the records of `Serialized`; returns its new arrays."""
  target = np.empty(len(source) + FRAME_BYTES * len(ends), np.uint8)
  framed_ends = np.empty(len(ends), np.int64)
  start, at = 0, 0
  for number in range(len(ends)):
    end = ends[number]
    length = end - start
    for i in range(8):
      target[at + i] = (length >> (8 * i)) & 0xFF
    _put_checksum(target, at, at + 8, tables)
    at += HEADER_BYTES
    target[at : at + length] = source[start:end]
    _put_checksum(target, at, at + length, tables)
    at += length + CHECKSUM_BYTES
    framed_ends[number] = at
    start = end
  return target, framed_ends


@jit
def _find_ends(framed, num_left, ends, tables):
  """Fills `ends`; returns the number of records, an index of `_DAMAGES`."""
  count, at = 0, 0
  while at + HEADER_BYTES <= len(framed):
    if _word(framed, at + 8) != _checksum(framed, at, at + 8, tables):
      return count, 1
    low, high = _word(framed, at), _word(framed, at + 4)
    length = np.uint64(low) | np.uint64(high) << np.uint64(32)
    most = num_left - at - FRAME_BYTES
    if most < 0 or length > np.uint64(most):
      return count, 2
    end = at + FRAME_BYTES + np.int64(length)
    if end > len(framed):
      break
    stored = _word(framed, end - 4)
    if stored != _checksum(framed, at + HEADER_BYTES, end - 4, tables):
      return count, 3
    at = end
    ends[count] = at
    count += 1
  return count, 0


@jit
def _put_checksum(buffer, start, end, tables):
  """Writes the masked checksum of buffer[start:end] at `end`."""
  masked = _checksum(buffer, start, end, tables)
  for i in range(4):
    buffer[end + i] = (masked >> np.uint32(8 * i)) & _0xFF


@jit
def _checksum(buffer, start, end, tables):
  """Returns the masked checksum of buffer[start:end], a uint32."""
  crc = _ALL_ONES
  at = start
  while at + 8 <= end:
    low = crc ^ _word(buffer, at)
    high = _word(buffer, at + 4)
    crc = (
      tables[7, low & _0xFF]
      ^ tables[6, (low >> _8) & _0xFF]
      ^ tables[5, (low >> np.uint32(16)) & _0xFF]
      ^ tables[4, low >> np.uint32(24)]
      ^ tables[3, high & _0xFF]
      ^ tables[2, (high >> _8) & _0xFF]
      ^ tables[1, (high >> np.uint32(16)) & _0xFF]
      ^ tables[0, high >> np.uint32(24)]
    )
    at += 8
  while at < end:
    crc = tables[0, (crc ^ buffer[at]) & _0xFF] ^ (crc >> _8)
    at += 1
  crc ^= _ALL_ONES
  return np.uint32(((crc >> _15) | (crc << _17)) + _MASK_DELTA)


@jit
def _word(buffer, at):
  """Reads a little-endian uint32."""
  return (
    np.uint32(buffer[at])
    | np.uint32(buffer[at + 1]) << _8
    | np.uint32(buffer[at + 2]) << np.uint32(16)
    | np.uint32(buffer[at + 3]) << np.uint32(24)
  )
