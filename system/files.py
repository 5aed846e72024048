"""The one place that opens, lists, renames and removes files.

Every path may be local or remote (`gs://`, and TensorFlow's in-memory `ram://`
in tests). TensorFlow is imported on first use, so that a script's `--help`
never waits for it. To find and read what is local it is not used at all: whole
processes that only read text do without it. Remote files may be another
library's matter, see `use_for_remote`.
"""

import contextlib
import fcntl
import glob
import io
import json
import os
import pathlib
import re
import secrets
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, TextIO

from system import cloud_storage
from system.errors import UserError, reason_of

# As `temporary_name` makes it; TensorFlow appends more to a checkpoint's.
_TEMPORARY = re.compile(r'\.(.+)\.[0-9a-f]{16}\.tmp(\..*)?')
# A writer at work writes every few seconds. An hour is far beyond that, and
# beyond what the clocks of two machines differ by.
_ABANDONED_SECONDS = 3600
_END_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 20

_remote_files: Any = None


def use_for_remote(gfile: Any) -> None:
  """Reaches remote files through something else than TensorFlow from now on.

  Args:
    gfile: has the functions of `tf.io.gfile`; they raise OSError.
  """
  global _remote_files
  _remote_files = gfile


def _gfile(path: str):
  if _remote_files is not None and _local(path) is None:
    return _remote_files
  import tensorflow as tf

  return tf.io.gfile


@contextlib.contextmanager
def explained(action: str, path: str) -> Iterator[None]:
  """Turns the file system's exceptions into one `UserError`."""
  try:
    yield
  except Exception as error:
    if not isinstance(error, _file_errors()):
      raise
    reason = reason_of(error) + cloud_storage.remedy(path, reason_of(error))
    raise UserError(f'cannot {action} {path}: {reason}') from error


def _file_errors() -> tuple[type[Exception], ...]:
  """Returns the file systems' exceptions; TensorFlow's if it is in use."""
  errors = getattr(sys.modules.get('tensorflow'), 'errors', None)
  of_tensorflow = (errors.OpError,) if errors else ()
  return (OSError, UnicodeDecodeError, *of_tensorflow)


def _local(path: str) -> str | None:
  """Returns a local path without its 'file://'; None for a remote one."""
  path = path.removeprefix('file://')
  return None if '://' in path else path


def exists(path: str) -> bool:
  """Returns whether a file or folder of this name exists."""
  if (local := _local(path)) is not None:
    return os.path.exists(local)
  with explained('look for', path):
    return _gfile(path).exists(path)


def is_folder(path: str) -> bool:
  """Returns whether `path` is a folder."""
  if (local := _local(path)) is not None:
    return os.path.isdir(local)
  with explained('look for', path):
    return _gfile(path).isdir(path)


def is_pipe(path: str) -> bool:
  """Returns whether `path` is a pipe, which can be read only once."""
  local = _local(path)
  return local is not None and pathlib.Path(local).is_fifo()


def begins_any(prefix: str) -> bool:
  """Returns whether there is any file or folder whose name begins so.

  Args:
    prefix: a name, the beginning of names, or a pattern.
  """
  return bool(_matches(prefix + '*'))


def size(path: str) -> int:
  """Returns a file's size in bytes."""
  with explained('read', path):
    if (local := _local(path)) is not None:
      return os.path.getsize(local)
    return _gfile(path).stat(path).length


def crc_of_ends(path: str) -> str:
  """Returns the CRC-32 of a file's first and last MiB, in hexadecimal.

  It takes no time, however large the file is.
  """
  with open_read(path, 'rb') as file:
    crc = zlib.crc32(file.read(_END_BYTES))
    file.seek(max(0, size(path) - _END_BYTES))
    return f'{zlib.crc32(file.read(_END_BYTES), crc):08x}'


def real_path(path: str) -> str:
  """Returns a name that is the same however a file is named.

  Of a local file it is absolute, without symbolic links. A remote path is
  returned as it is: there '//' and '.' are parts of a name.
  """
  local = _local(path)
  return path if local is None else os.path.realpath(local)


def list_folder(path: str) -> list[str]:
  """Returns the sorted names in a folder, folders with no trailing slash."""
  with explained('list', path):
    return sorted(name.rstrip('/') for name in _gfile(path).listdir(path))


def expand(patterns: str | Iterable[str]) -> list[str]:
  """Expands comma lists and globs to the files they name, in the order given.

  Args:
    patterns: 'a.txt,b-*.txt' or an iterable of such strings. The matches of
      one pattern are sorted.

  Returns:
    Paths, each once; none for an empty list.

  Raises:
    UserError: a pattern matches no file; the pattern is named.
  """
  if isinstance(patterns, str):
    patterns = [patterns]
  paths: dict[str, None] = {}
  for pattern in (p for text in patterns for p in text.split(',') if p):
    matches = _matches(pattern)
    if not matches:
      raise UserError(f'no file matches {pattern!r}')
    paths.update(dict.fromkeys(matches))
  return list(paths)


def _matches(pattern: str) -> list[str]:
  with explained('list', pattern):
    if (local := _local(pattern)) is not None:
      # A file may be called 'a[1].txt'.
      return sorted(glob.glob(local)) or [local] * os.path.exists(local)
    return sorted(_gfile(pattern).glob(pattern))


def require_file(path: str, what: str) -> str:
  """Returns `path`, or raises a `UserError` that says which file is missing.

  Args:
    path: the file.
    what: what the file is for, as the user knows it: '--vocab_file', say.
  """
  if not path:
    raise UserError(f'{what} must be given')
  if not exists(path):
    raise UserError(f'{what}: there is no file {path!r}')
  if is_folder(path):
    raise UserError(f'{what}: {path!r} is a folder, not a file')
  return path


def make_folder(path: str) -> None:
  """Makes a folder and its parents and checks that it can be written to.

  Raises:
    UserError: the folder cannot be made or written to.
  """
  with explained('write to', path):
    gfile = _gfile(path)
    gfile.makedirs(path)
    probe = temporary_name(os.path.join(path, 'writable'))
    with gfile.GFile(probe, 'wb') as file:
      file.write(b'')
    gfile.remove(probe)


@contextlib.contextmanager
def open_read(path: str, mode: str = 'r') -> Iterator[Any]:
  """Opens a file for reading: 'r' for UTF-8 text, 'rb' for bytes."""
  with open_stream(path) as file:
    if mode == 'r':
      file = io.TextIOWrapper(file, encoding='utf-8', newline='\n')
    yield file


def open_stream(path: str) -> BinaryIO:
  """Opens a file's bytes for reading.

  Raises:
    UserError: there is no such file, or none that can be read. Local files that
      break off later raise OSError, remote ones `UserError`.
  """
  with explained('read', path):
    if (local := _local(path)) is not None:
      return open(local, 'rb')
    file = _gfile(path).GFile(path, 'rb')
    file.size()  # GFile opens lazily; fail here rather than at the first line.
    return io.BufferedReader(_Remote(file, path), _BUFFER_BYTES)


class _Remote(io.RawIOBase):
  """Makes a GFile one of Python's streams."""

  def __init__(self, file, path: str):
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


def read_text(path: str) -> str:
  """Reads a whole UTF-8 file."""
  with explained('read', path), open_stream(path) as file:
    return file.read().decode('utf-8')


def read_json(path: str) -> Any:
  """Reads a JSON file; a `UserError` names the file where it is malformed."""
  try:
    return json.loads(read_text(path))
  except json.JSONDecodeError as error:
    raise UserError(f'{path} is not valid JSON: {error}') from error


def temporary_name(path: str) -> str:
  """Returns a name under which `path` is written until it is whole.

  It is another one each time: processes of several machines, which may have
  the same number, share folders.
  """
  folder, name = os.path.split(path)
  return os.path.join(folder, f'.{name}.{secrets.token_hex(8)}.tmp')


def remove_abandoned(
  folder: str, targets: str = '.*', is_alone: bool = False
) -> None:
  """Removes temporary files that killed writers left.

  Whether a writer on another machine is alive cannot be seen. Of a file that
  several may write, what is removed has therefore been left alone for an hour;
  where the file system tells no time, nothing is.

  Args:
    folder: where to look.
    targets: a regular expression for the names of the files that the temporary
      ones were to become.
    is_alone: whether nobody else can be writing these files, so that none of
      the temporary ones is in use.
  """
  gfile = _gfile(folder)
  before = time.time() - _ABANDONED_SECONDS
  names = []
  # No run ends because it cannot tidy; another process may do so, too.
  with contextlib.suppress(*_file_errors()):
    names = gfile.listdir(folder or '.')
  for name in names:
    match = _TEMPORARY.fullmatch(name)
    if not match or not re.fullmatch(targets, match[1]):
      continue
    path = os.path.join(folder, name)
    with contextlib.suppress(*_file_errors()):
      if is_alone or 0 < gfile.stat(path).mtime_nsec / 1e9 < before:
        gfile.remove(path)


@contextlib.contextmanager
def open_write(path: str, mode: str = 'w') -> Iterator[TextIO | BinaryIO]:
  """Writes a file under a temporary name and renames it when it is whole.

  If the block raises, nothing appears under `path` and what stood there stays.
  """
  temporary = temporary_name(path)
  try:
    gfile = _gfile(path)
    with explained('write', path), gfile.GFile(temporary, mode) as file:
      yield file
    rename(temporary, path)
  except BaseException:
    if exists(temporary):
      remove(temporary)
    raise


def write_text(path: str, text: str) -> None:
  """Writes a whole UTF-8 file, atomically where the file system can."""
  with open_write(path) as file:
    file.write(text)


def write_json(path: str, value: Any) -> None:
  """Writes indented JSON with sorted keys."""
  write_text(path, json.dumps(value, indent=2, sort_keys=True) + '\n')


def rename(source: str, target: str) -> None:
  """Renames a file, replacing `target`. Atomic on local disks only."""
  with explained('write', target):
    _gfile(target).rename(source, target, overwrite=True)


def create(path: str) -> BinaryIO:
  """Opens a file for writing bytes; where it is opened lazily, no error yet."""
  with explained('write', path):
    return _gfile(path).GFile(path, 'wb')


def remove_folder(path: str) -> None:
  """Removes a folder and all that is in it, if there is one."""
  if is_folder(path):
    with explained('remove', path):
      _gfile(path).rmtree(path)


def remove(path: str) -> None:
  """Removes one file."""
  with explained('remove', path):
    _gfile(path).remove(path)


def try_lock(path: str, content: str) -> TextIO | None:
  """Locks a local file, which is made if need be, until it is closed.

  The system frees the lock when the process ends, however it ends.

  Args:
    path: of the file. It is never removed: whoever had it open then would
      lock another file than who makes it anew.
    content: written to it once it is locked.

  Returns:
    The open file; None, and nothing is written, where there are no locks.

  Raises:
    BlockingIOError: another process has the lock.
  """
  if '://' in path:
    return None
  with explained('write', path):
    # No link is followed: it might lead out of the folder.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    file = os.fdopen(os.open(path, flags, 0o644), 'r+', encoding='utf-8')
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError as error:
    file.close()
    if isinstance(error, BlockingIOError):
      raise
    return None
  with explained('write', path):
    file.truncate()
    file.write(content)
    file.flush()
  return file


def remove_all(prefix: str) -> None:
  """Removes the files whose names begin so, as far as that can be done."""
  folder, start = os.path.split(prefix)
  gfile = _gfile(prefix)
  with contextlib.suppress(*_file_errors()):
    for name in gfile.listdir(folder or '.'):
      if name.startswith(start):
        gfile.remove(os.path.join(folder, name))
