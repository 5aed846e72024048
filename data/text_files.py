"""Lines of a UTF-8 text file, plain or gzip, one at a time.

A line ends at '\\n' or '\\r\\n' and nowhere else: the other characters at which
`str.splitlines` cuts (U+2028, U+0085, form feeds) stand inside real text.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from data import files
from data.errors import UserError

_GZIP_MAGIC = b'\x1f\x8b'
_BUFFER_BYTES = 1 << 20


class _RawReader(io.RawIOBase):
  """Makes a GFile a Python stream, so that `io` and `gzip` can read it."""

  def __init__(self, file, path: str):
    super().__init__()
    self._file = file
    self._path = path

  def readable(self) -> bool:
    return True

  def readinto(self, buffer) -> int:
    import tensorflow as tf  # Imported already: the file is a GFile.

    try:
      chunk = self._file.read(len(buffer))
    except (tf.errors.OpError, OSError) as error:
      reason = getattr(error, 'message', None) or str(error)
      raise UserError(f'cannot read {self._path}: {reason}') from error
    buffer[: len(chunk)] = chunk
    return len(chunk)


def read_lines(path: str) -> Iterator[str]:
  """Yields a file's lines without their ends; holds one line at a time.

  Args:
    path: UTF-8 text, plain or gzip (told by its first bytes, not its name). A
      byte-order mark at the start is dropped.

  Yields:
    The lines, empty ones too; `enumerate(read_lines(path), 1)` numbers them as
    the messages here do. A last line without an end counts, and an empty file
    has none.

  Raises:
    UserError: the file cannot be read, is damaged gzip, or is not UTF-8; the
      message names the file, and the line where there is one.
  """
  with files.open_read(path, 'rb') as file:
    buffered = io.BufferedReader(_RawReader(file, path), _BUFFER_BYTES)
    number = 0
    try:
      for number, line in enumerate(_decompressed(buffered), 1):
        yield _decode(line, path, number)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
      raise UserError(
        f'{path} is damaged or cut short after line {number}: {error}'
      ) from error


def copy(source: str, target: str) -> None:
  """Copies a file as plain UTF-8 text, whatever `read_lines` had to undo.

  Others read the copy, google-research/bert's code for one: it knows no gzip.
  """
  with files.open_write(target) as file:
    for line in read_lines(source):
      file.write(line + '\n')


def _decompressed(buffered: io.BufferedReader) -> BinaryIO:
  """Returns the stream itself, or what its gzip members hold."""
  if buffered.peek(2)[:2] == _GZIP_MAGIC:
    return gzip.GzipFile(fileobj=buffered)
  return buffered


def _decode(line: bytes, path: str, number: int) -> str:
  """Decodes one line and takes off its end, and a byte-order mark."""
  try:
    text = line.decode('utf-8-sig' if number == 1 else 'utf-8')
  except UnicodeDecodeError as error:
    raise UserError(
      f'{path}, line {number}: expected UTF-8 text, found the byte '
      f'0x{error.object[error.start]:02x} at byte {error.start} of the line '
      f'({error.reason})'
    ) from error
  return text.removesuffix('\n').removesuffix('\r')
