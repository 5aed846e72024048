"""Reads plain or compressed files in blocks of whole lines.

A file's first bytes, not its name, decide whether it is gzip, bzip2, xz or
Zstandard. Nothing here needs TensorFlow. The function that opens files is a
parameter, so that Apache Beam's file systems can be used.
"""

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from absl import logging

from system import file_systems, files
from system.errors import UserError, reason_of

BLOCK_BYTES = 1 << 17
# Longer lines are not kept. The longest article of English Wikipedia has half a
# MiB.
MAX_LINE_BYTES = 16 << 20

_COMPRESSED = ('.gz', '.bz2', '.xz', '.zst')
# A frame of Zstandard, or one to skip; pzstd begins with one.
_ZSTANDARD = re.compile(rb'\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18')
_BYTE_ORDER_MARK = b'\xef\xbb\xbf'
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)

# Opens a path for reading bytes.
Open = Callable[[str], BinaryIO]
# Called with how many of a file's stored bytes have been read so far.
OnProgress = Callable[[int], None]


class Block(NamedTuple):
  """Some lines of a file.

  Attributes:
    line: the number of the first line, from 1.
    content: whole lines with their ends (the file's last line may have none);
      None for a single line of more than `MAX_LINE_BYTES`.
  """

  line: int
  content: bytes | None


def read_blocks(
  path: str,
  open_file: Open = files.open_stream,
  on_progress: OnProgress | None = None,
) -> Iterator[Block]:
  """Yields a file in blocks of about `BLOCK_BYTES`, or of one longer line.

  A byte-order mark at the start is dropped. Damage raises an error only after
  the blocks before it.

  Raises:
    UserError: the file cannot be read, is damaged or cut short, or its lines
      end with only a carriage return; the message names the file and the last
      intact line.
  """
  line = 1
  with file_systems.explained('read', path):
    file = open_file(path)
  with contextlib.closing(file):
    try:
      stream = _open_compressed(file, path, on_progress)
      for content in _whole_lines(stream, path):
        if line == 1 and content:
          content = content.removeprefix(_BYTE_ORDER_MARK)
        yield Block(line, content)
        line += 1 if content is None else content.count(b'\n')
    except _DAMAGE as error:
      raise UserError(
        f'{path} is damaged or cut short after line {line - 1}: '
        f'{reason_of(error)}'
      ) from error


def _open_compressed(
  file: BinaryIO, path: str, on_progress: OnProgress | None = None
) -> BinaryIO:
  """Returns a stream of a file's content, decompressed if necessary."""
  stream = io.BufferedReader(_CountedFile(file, path, on_progress), BLOCK_BYTES)
  start = stream.peek(6)
  if start.startswith(b'\x1f\x8b'):
    return gzip.GzipFile(fileobj=stream)
  if start.startswith(b'BZh'):
    return bz2.BZ2File(stream)
  if start.startswith(b'\xfd7zXZ\0'):
    return lzma.LZMAFile(stream)
  if _ZSTANDARD.match(start):
    return _zstandard(stream)
  if path.endswith(_COMPRESSED):
    _warn_of_name(path)
  return stream


@functools.cache
def _warn_of_name(path: str) -> None:
  """Warns once for each file, however often it is read."""
  logging.warning(
    '%s is named as a compressed file, but is none: it is read as it is', path
  )


def _zstandard(stream: BinaryIO) -> BinaryIO:
  import pyarrow

  return pyarrow.CompressedInputStream(pyarrow.PythonFile(stream), 'zstd')


def _whole_lines(stream: BinaryIO, path: str) -> Iterator[bytes | None]:
  """Yields bytes that end with a line, and None for each line too long."""
  # The chunks so far of an incomplete line, and their size.
  rest, num_bytes, too_long = [], 0, False
  is_first = True
  while chunk := stream.read(BLOCK_BYTES):
    end = chunk.find(b'\n') + 1
    if is_first and not end and num_bytes + len(chunk) > MAX_LINE_BYTES:
      _refuse_carriage_returns(path, b''.join([*rest, chunk]))
    is_first = is_first and not end
    too_long = too_long or num_bytes + (end or len(chunk)) > MAX_LINE_BYTES
    if too_long:
      rest.clear()
      if not end:
        continue
      yield None
      num_bytes, too_long, chunk = 0, False, chunk[end:]
    end = chunk.rfind(b'\n') + 1
    if end:
      yield b''.join([*rest, chunk[:end]])
      rest, num_bytes, chunk = [], 0, chunk[end:]
    rest.append(chunk)
    num_bytes += len(chunk)
  if too_long:
    yield None
  elif num_bytes:
    last = b''.join(rest)
    if is_first:
      _refuse_carriage_returns(path, last)
    yield last


def _refuse_carriage_returns(path: str, line: bytes) -> None:
  """Raises a `UserError` if the beginning of a file is lines without '\\n'."""
  if num_returns := line.rstrip(b'\r').count(b'\r'):
    raise UserError(
      f'{path} has {num_returns:,} carriage returns and no line feed in its '
      f'first {len(line):,} bytes; expected lines that end with a line feed '
      "(tr '\\r' '\\n' converts them)"
    )


class _CountedFile(io.RawIOBase):
  """Adapts an object with `read` to Python's streams; reports its position."""

  def __init__(self, file: BinaryIO, path: str, on_progress: OnProgress | None):
    super().__init__()
    self._file = file
    self._path = path
    self._on_progress = on_progress
    self._num_bytes = 0

  def readable(self) -> bool:
    return True

  def readinto(self, buffer) -> int:
    with file_systems.explained('read', self._path):
      chunk = self._file.read(len(buffer))
    buffer[: len(chunk)] = chunk
    self._num_bytes += len(chunk)
    if self._on_progress:
      self._on_progress(self._num_bytes)
    return len(chunk)
