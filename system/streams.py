"""What a file holds, plain or compressed, as blocks of whole lines.

gzip, bzip2, xz and Zstandard are told by a file's first bytes, not by its name.
Nothing here needs TensorFlow, and who opens the files is a parameter: Apache
Beam's own file systems will do.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from system import file_systems, files
from system.errors import UserError, reason_of

BLOCK_BYTES = 1 << 17
# No more than this is held of a line. The longest article of English Wikipedia
# has half a MiB.
MAX_LINE_BYTES = 16 << 20

_BYTE_ORDER_MARK = b'\xef\xbb\xbf'
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)

# Opens a path for reading bytes.
Open = Callable[[str], BinaryIO]
# Is told how many bytes of a file have been read, as they are stored.
Told = Callable[[int], None]


class Block(NamedTuple):
  """Some lines of a file.

  Attributes:
    line: the number of the first one, from 1.
    content: whole lines with their ends (the file's last one may have none);
      None for a single line of more than `MAX_LINE_BYTES`.
  """

  line: int
  content: bytes | None


def read_blocks(
  path: str, open_file: Open = files.open_stream, told: Told | None = None
) -> Iterator[Block]:
  """Yields a file in blocks of about `BLOCK_BYTES`, or of one longer line.

  A byte-order mark at the start is dropped. Damage is found where it is come
  to, after the blocks before it.

  Raises:
    UserError: the file cannot be read, is damaged or cut short; the message
      names the file, and about where.
  """
  line = 1
  with file_systems.explained('read', path):
    file = open_file(path)
  with contextlib.closing(file):
    try:
      for content in _whole_lines(open_compressed(file, path, told)):
        if line == 1 and content:
          content = content.removeprefix(_BYTE_ORDER_MARK)
        yield Block(line, content)
        line += 1 if content is None else content.count(b'\n')
    except _DAMAGE as error:
      raise UserError(
        f'{path} is damaged or cut short after line {line - 1}: '
        f'{reason_of(error)}'
      ) from error


def open_compressed(
  file: BinaryIO, path: str, told: Told | None = None
) -> BinaryIO:
  """Returns a stream of what a file holds, whether compressed or not."""
  stream = io.BufferedReader(_Counted(file, path, told), BLOCK_BYTES)
  start = stream.peek(6)
  if start.startswith(b'\x1f\x8b'):
    return gzip.GzipFile(fileobj=stream)
  if start.startswith(b'BZh'):
    return bz2.BZ2File(stream)
  if start.startswith(b'\xfd7zXZ\0'):
    return lzma.LZMAFile(stream)
  if start.startswith(b'\x28\xb5\x2f\xfd'):
    return _zstandard(stream)
  return stream


def _zstandard(stream: BinaryIO) -> BinaryIO:
  import pyarrow

  return pyarrow.CompressedInputStream(pyarrow.PythonFile(stream), 'zstd')


def _whole_lines(stream: BinaryIO) -> Iterator[bytes | None]:
  """Yields what holds whole lines, and None for each that is too long."""
  rest, num_bytes, too_long = [], 0, False  # Of the line that goes on.
  while chunk := stream.read(BLOCK_BYTES):
    end = chunk.find(b'\n') + 1
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
    yield b''.join(rest)


class _Counted(io.RawIOBase):
  """A stream of any kind as one of Python's; tells how far it has been read."""

  def __init__(self, file: BinaryIO, path: str, told: Told | None):
    super().__init__()
    self._file = file
    self._path = path
    self._told = told
    self._num_bytes = 0

  def readable(self) -> bool:
    return True

  def readinto(self, buffer) -> int:
    with file_systems.explained('read', self._path):
      chunk = self._file.read(len(buffer))
    buffer[: len(chunk)] = chunk
    self._num_bytes += len(chunk)
    if self._told:
      self._told(self._num_bytes)
    return len(chunk)
