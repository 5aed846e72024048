"""The frames of records in a TFRecord file: lengths and checksums.

A frame is a record's length (uint64) and the length's checksum (uint32) before
its bytes, and the bytes' checksum (uint32) after them; all little-endian.
The checksum is CRC-32C (Castagnoli), masked as TFRecord does: rotated right by
15 bits and offset, because a CRC of data that holds CRCs is weak.
"""

import numpy as np

from data.records.serialization import Serialized
from system.compiled import compiled

HEADER_BYTES = 8 + 4
FRAME_BYTES = HEADER_BYTES + 4

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed.
_MASK_DELTA = np.uint32(0xA282EAD8)
_ALL_ONES = np.uint32(0xFFFFFFFF)
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


_TABLES = _make_tables()


def frame(records: Serialized) -> Serialized:
  """Puts frames around records, as a TFRecord file holds them."""
  ends = records.ends + FRAME_BYTES * np.arange(1, len(records.ends) + 1)
  buffer = np.empty(ends[-1] if len(ends) else 0, np.uint8)
  _frame(records.buffer, records.ends, buffer, _TABLES)
  return Serialized(buffer, ends)


def ends_of(framed: np.ndarray) -> np.ndarray:
  """Returns where the complete records end in a part of a TFRecord file.

  Args:
    framed: uint8 [bytes], begins with a record's frame. Checksums are not
      verified.

  Returns:
    int64 [N].
  """
  ends = np.empty(len(framed) // FRAME_BYTES, np.int64)
  return ends[: _find_ends(framed, ends)]


def frame_one(record: bytes) -> bytes:
  """Puts a frame around one record."""
  buffer = np.frombuffer(record, np.uint8)
  return frame(Serialized(buffer, np.array([len(record)]))).buffer.tobytes()


@compiled
def _frame(source, ends, target, tables):
  start, at = 0, 0
  for end in ends:
    length = end - start
    for i in range(8):
      target[at + i] = (length >> (8 * i)) & 0xFF
    _put_checksum(target, at, at + 8, tables)
    at += HEADER_BYTES
    target[at : at + length] = source[start:end]
    _put_checksum(target, at, at + length, tables)
    at += length + 4
    start = end


@compiled
def _find_ends(framed, ends):
  """Fills `ends` from its beginning; returns the number of records."""
  count, at = 0, 0
  while at + FRAME_BYTES <= len(framed):
    length = 0
    for i in range(8):
      length |= np.int64(framed[at + i]) << (8 * i)
    if not 0 <= length <= len(framed) - at - FRAME_BYTES:
      break
    at += length + FRAME_BYTES
    ends[count] = at
    count += 1
  return count


@compiled
def _put_checksum(buffer, start, end, tables):
  """Writes the masked checksum of buffer[start:end] at `end`."""
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
  masked = np.uint32(((crc >> _15) | (crc << _17)) + _MASK_DELTA)
  for i in range(4):
    buffer[end + i] = (masked >> np.uint32(8 * i)) & _0xFF


@compiled
def _word(buffer, at):
  """Reads a little-endian uint32."""
  return (
    np.uint32(buffer[at])
    | np.uint32(buffer[at + 1]) << _8
    | np.uint32(buffer[at + 2]) << np.uint32(16)
    | np.uint32(buffer[at + 3]) << np.uint32(24)
  )
