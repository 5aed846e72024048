"""The libraries that access files, and the messages of their exceptions.

A path is local ('file://' is allowed) or remote: `gs://`, and TensorFlow's
in-memory `ram://` in tests. Python's own functions find and read local files,
and write records. TensorFlow does everything else. It is imported on first use,
so that neither `--help` nor a process that only reads text waits for it.
`use_for_remote` replaces it for remote files.

Tested by `tests/system/files_test.py`.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from system import cloud_storage
from system.errors import Unavailable, UserError, reason_of

_remote: Any = None  # Set by `use_for_remote`.
# What servers of files cause that restart or are busy.
_PASSING_ERRNOS = (
  *(errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED),
  *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
)
# The errors of `os.fsync` on file systems that do not have it.
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_PASSING_ERRORS = ('UnavailableError', 'DeadlineExceededError', 'AbortedError')


def use_for_remote(gfile: Any) -> None:
  """Replaces TensorFlow for all further access to remote files.

  Args:
    gfile: a module with the functions of `tf.io.gfile`; they raise OSError.
  """
  global _remote
  _remote = gfile


def gfile_for(path: str) -> Any:
  """Returns `tf.io.gfile`, or its replacement, for a path."""
  if _remote is not None and local_path(path) is None:
    return _remote
  import tensorflow as tf

  return tf.io.gfile


def local_path(path: str) -> str | None:
  """Returns a local path without its 'file://'; None for a remote path."""
  path = path.removeprefix('file://')
  return None if '://' in path else path


def errors() -> tuple[type[Exception], ...]:
  """Returns the exception types of file access.

  TensorFlow's is included only if TensorFlow is imported already.
  """
  module = getattr(sys.modules.get('tensorflow'), 'errors', None)
  tensorflow_errors = (module.OpError,) if module else ()
  return (OSError, UnicodeDecodeError, *tensorflow_errors)


@contextlib.contextmanager
def explained(action: str, path: str) -> Iterator[None]:
  """Turns the file systems' exceptions into a `UserError`.

  Args:
    action: a verb for the message, as in 'cannot read <path>: <reason>'.
    path: the file or folder.

  Raises:
    Unavailable: the file system does not answer, but may do so later.
    UserError: another of its exceptions.
  """
  try:
    yield
  except Exception as error:
    if not isinstance(error, errors()):
      raise
    reason = reason_of(error) + cloud_storage.remedy(path, reason_of(error))
    kind = Unavailable if may_pass(error) else UserError
    raise kind(f'cannot {action} {path}: {reason}') from error


def may_pass(error: Exception) -> bool:
  """Returns whether the same access may succeed later."""
  if isinstance(error, OSError):
    return error.errno in _PASSING_ERRNOS
  # TensorFlow has tried again already. Its classes need its import.
  return type(error).__name__ in _PASSING_ERRORS


def flush_to_disk(local: str) -> None:
  """Waits until a local file's content is on the disk.

  Raises:
    OSError: the disk fails.
  """
  descriptor = os.open(local, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  except OSError as error:
    if error.errno not in _CANNOT_FLUSH:
      raise
  finally:
    os.close(descriptor)


class RemoteStream(io.RawIOBase):
  """Adapts a `GFile` to Python's streams, for reading."""

  def __init__(self, file: Any, path: str):
    super().__init__()
    self._file = file
    self._path = path

  def readable(self) -> bool:
    return True

  def seekable(self) -> bool:
    return True

  def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
    with explained('read', self._path):
      self._file.seek(offset, whence)
      return self._file.tell()

  def readinto(self, buffer) -> int:
    with explained('read', self._path):
      chunk = self._file.read(len(buffer))
    buffer[: len(chunk)] = chunk
    return len(chunk)

  def close(self) -> None:
    if not self.closed:
      self._file.close()
    super().close()


class RemoteSink(io.RawIOBase):
  """Adapts a `GFile` to Python's streams, for writing."""

  def __init__(self, file: Any):
    super().__init__()
    self._file = file

  def writable(self) -> bool:
    return True

  def write(self, content) -> int:
    self._file.write(bytes(content))
    return len(content)

  def close(self) -> None:
    if not self.closed:
      self._file.close()
    super().close()
