"""Access to remote files through Apache Beam: gs://, s3://, hdfs://.

The functions have the names of `tf.io.gfile`, for
`file_systems.use_for_remote`. On a cluster, Beam has the workers' credentials
and retries, and it supports file systems that TensorFlow does not. All failures
raise OSError.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
  """Turns the exceptions of the clouds' libraries into OSErrors."""
  try:
    yield
  except OSError:
    raise
  except Exception as error:
    raise OSError(f'{type(error).__name__}: {error}') from error


@_as_os_errors()
def _match(pattern: str, limit: int | None = None) -> list[FileMetadata]:
  return FileSystems.match([pattern], [limit])[0].metadata_list


class _Stat(NamedTuple):
  length: int
  mtime_nsec: int
  is_directory: bool = False


@_as_os_errors()
def stat(path: str) -> _Stat:
  """Returns a file's length in bytes and the time of its last change."""
  found = FileSystems.get_filesystem(path).metadata(path)
  return _Stat(found.size_in_bytes, int(found.last_updated_in_seconds * 1e9))


@_as_os_errors()
def exists(path: str) -> bool:
  """Returns whether a file or a folder of this name exists."""
  return FileSystems.exists(path) or isdir(path)


def isdir(path: str) -> bool:
  """Returns whether `path` is a folder, or begins the names of objects."""
  return bool(_match(f'{path.rstrip("/")}/**', 1))


def glob(pattern: str) -> list[str]:
  """Returns the files that match a pattern."""
  return [found.path for found in _match(pattern)]


def listdir(path: str) -> list[str]:
  """Returns the names of the files in a folder."""
  return [os.path.basename(p) for p in glob(f'{path.rstrip("/")}/*')]


@_as_os_errors()
def makedirs(path: str) -> None:
  """Makes a folder and its parents, on file systems that have folders."""
  if not FileSystems.exists(path):
    FileSystems.mkdirs(path)


@_as_os_errors()
def remove(path: str) -> None:
  """Removes a file."""
  FileSystems.delete([path])


@_as_os_errors()
def rmtree(path: str) -> None:
  """Removes a folder and its contents."""
  FileSystems.delete([f'{path.rstrip("/")}/'])


@_as_os_errors()
def rename(source: str, target: str, overwrite: bool) -> None:
  """Renames a file."""
  if not overwrite and exists(target):
    raise FileExistsError(f'{target} exists')
  FileSystems.rename([source], [target])


class GFile:
  """An open file; a written file appears when it is closed."""

  @_as_os_errors()
  def __init__(self, path: str, mode: str = 'rb'):
    opened = FileSystems.open if mode == 'rb' else FileSystems.create
    # By default Beam would compress and decompress by the name's ending.
    file = opened(path, compression_type=CompressionTypes.UNCOMPRESSED)
    self._path = path
    self._is_text = 'b' not in mode
    self._file = file

  def __enter__(self) -> 'GFile':
    return self

  def __exit__(self, *error) -> None:
    self.close()

  def size(self) -> int:
    """Returns the file's length in bytes."""
    return stat(self._path).length

  @_as_os_errors()
  def read(self, count: int = -1) -> bytes:
    """Reads up to `count` bytes; all if it is negative."""
    return self._file.read(count)

  @_as_os_errors()
  def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
    """Moves to another position in the file."""
    self._file.seek(offset, whence)

  @_as_os_errors()
  def tell(self) -> int:
    """Returns the position in the file."""
    return self._file.tell()

  @_as_os_errors()
  def write(self, content: str | bytes) -> None:
    """Appends bytes, or text in a text mode."""
    self._file.write(content.encode() if self._is_text else content)

  @_as_os_errors()
  def close(self) -> None:
    """Completes the file."""
    self._file.close()
