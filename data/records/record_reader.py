"""Reads the serialized records of a TFRecord file in order.

TensorFlow's own reader allocates what a length field asks for. Here the file's
size bounds every length, and all checksums are verified.
"""

import itertools
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from data.records import framing
from data.records.serialization import Serialized
from system import file_systems, files
from system.errors import UserError

# Bytes to read at a time: all records of a file, or some of them.
_CHUNK_BYTES = 1 << 20
_SMALL_CHUNK_BYTES = 1 << 16


def read(path: str, count: int | None = None) -> Iterator[bytes]:
  """Yields the first `count` serialized records of a file, or all.

  Raises:
    UserError: the file is missing, holds no record, or a record is damaged.
  """
  files.require_file(path, 'a TFRecord file')
  chunk_bytes = _CHUNK_BYTES if count is None else _SMALL_CHUNK_BYTES
  num_read = 0
  with files.open_stream(path) as file:
    for framed in _chunks(file, path, 0, chunk_bytes):
      for record in _unframed(framed):
        if num_read == count:
          return
        yield record
        num_read += 1
  if not num_read:
    raise UserError(f'{path} is empty: it holds no record')


def read_from(
  file: BinaryIO, path: str, offset: int, count: int, end: int
) -> list[bytes]:
  """Returns `count` serialized records of an open file.

  Args:
    file: the file, opened for reading bytes.
    path: its path.
    offset: the byte at which the first of the records begins.
    count: the number of records.
    end: the byte after the last of them.

  Raises:
    UserError: a record is damaged, or there are fewer, or they end elsewhere.
  """
  records: list[bytes] = []
  start = offset
  for framed in _chunks(file, path, offset, _SMALL_CHUNK_BYTES):
    num_left = count - len(records)
    records += _unframed(framed)
    if len(records) >= count:
      stop = start + int(framed.ends[num_left - 1])
      if stop != end:
        raise UserError(
          f'{path}: {count} records from byte {offset} on end at byte {stop}, '
          f'expected {end} by its index'
        )
      return records[:count]
    start += int(framed.ends[-1])
  raise UserError(
    f'{path} is cut short: found {len(records)} records from byte {offset} on, '
    f'expected {count}'
  )


def read_framed(path: str) -> Iterator[Serialized]:
  """Yields all records of a file in large chunks, frames included.

  `RecordWriter.write_framed` takes such chunks.

  Raises:
    UserError: the file cannot be read, or a record is damaged.
  """
  with files.open_stream(path) as file:
    yield from _chunks(file, path, 0, _CHUNK_BYTES)


def _unframed(framed: Serialized) -> list[bytes]:
  """Returns the records of a chunk without their frames."""
  joined = framed.buffer.tobytes()
  return [
    joined[start + framing.HEADER_BYTES : end - framing.CHECKSUM_BYTES]
    for start, end in itertools.pairwise([0, *framed.ends.tolist()])
  ]


def _chunks(
  file: BinaryIO, path: str, offset: int, chunk_bytes: int
) -> Iterator[Serialized]:
  """Yields framed records from a byte of a file on; see `read_framed`."""
  first_offset, number = offset, 0
  rest = b''
  with file_systems.explained('read', path):
    size = file.seek(0, os.SEEK_END)
    file.seek(offset)
    while offset < size:
      chunk = file.read(max(chunk_bytes, _num_missing(rest)))
      framed = np.frombuffer(rest + chunk, np.uint8)
      ends, damage = framing.ends_of(framed, size - offset)
      if len(ends):
        yield Serialized(framed[: ends[-1]], ends)
        number += len(ends)
        offset += int(ends[-1])
        framed = framed[ends[-1] :]
      rest = framed.tobytes()
      if not chunk:
        damage = damage or 'the file ends within it'
      if damage:
        origin = '0' if not first_offset else f'0 at byte {first_offset}'
        raise UserError(
          f'{path} is damaged or cut short: record {number} (counted from '
          f'{origin}) at byte {offset} of {size} cannot be read: {damage}'
        )


def _num_missing(rest: bytes) -> int:
  """Returns how many bytes of the first record `rest` lacks, if it says."""
  if len(rest) < framing.HEADER_BYTES:
    return 0
  return framing.FRAME_BYTES + framing.length_of(rest) - len(rest)
