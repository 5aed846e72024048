"""The one module that opens, lists, renames and removes files.

Every path may be local or remote (see `system.file_systems`). Every function
raises a `UserError` if the file system reports an error.
"""

import contextlib
import errno
import glob
import hashlib
import io
import json
import os
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, TextIO

from absl import logging

from system import json_text, temporary_files
from system.errors import UserError, shown
from system.file_systems import (
  RemoteSink,
  RemoteStream,
  errors,
  explained,
  flush_to_disk,
  gfile_for,
  local_path,
)

# The errors of `os.stat` for paths that lead to nothing.
_NOTHING_EXISTS = (
  errno.ENOENT,
  errno.ENOTDIR,
  errno.ELOOP,
  errno.ENAMETOOLONG,
)
_END_BYTES = 1 << 20
# Bytes of a file to read at a time.
_BLOCK_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 20


def exists(path: str) -> bool:
  """Returns whether a file or folder of this name exists.

  Raises:
    UserError: the file system does not say. (`os.path.exists` returns False.)
  """
  with explained('look for', path):
    if (local := local_path(path)) is not None:
      return _mode(local) is not None
    return gfile_for(path).exists(path)


def is_folder(path: str) -> bool:
  """Returns whether `path` is a folder.

  Raises:
    UserError: the file system does not say. (`os.path.isdir` returns False.)
  """
  with explained('look for', path):
    if (local := local_path(path)) is not None:
      return stat.S_ISDIR(_mode(local) or 0)
    gfile = gfile_for(path)
    # TensorFlow's isdir returns False for any error; its exists does not.
    return gfile.isdir(path) or (
      gfile.exists(path) and gfile.stat(path).is_directory
    )


def _mode(local: str) -> int | None:
  """Returns the type and permissions of a local path; None if nothing exists.

  Raises:
    OSError: the file system does not say whether something exists.
  """
  try:
    return os.stat(local).st_mode
  except ValueError:  # A NUL byte.
    return None
  except OSError as error:
    if error.errno in _NOTHING_EXISTS:
      return None
    raise


def exists_with_prefix(prefix: str) -> bool:
  """Returns whether the name of any file or folder begins with a prefix.

  Args:
    prefix: a whole name, the beginning of names, or a glob.
  """
  return bool(_matches(prefix + '*'))


def size(path: str) -> int:
  """Returns a file's size in bytes."""
  with explained('read', path):
    if (local := local_path(path)) is not None:
      return os.path.getsize(local)
    return gfile_for(path).stat(path).length


def modified(path: str) -> float:
  """Returns when a file was last written, in seconds since 1970.

  It is 0.0 if a remote file system does not tell.
  """
  with explained('read', path):
    if (local := local_path(path)) is not None:
      return os.path.getmtime(local)
    return gfile_for(path).stat(path).mtime_nsec / 1e9


def crc_of_ends(path: str) -> str:
  """Returns the CRC-32 of a file's first and last MiB, in hexadecimal.

  It is a cheap fingerprint of files of any size.
  """
  with open_stream(path) as file:
    crc = zlib.crc32(file.read(_END_BYTES))
    file.seek(max(0, size(path) - _END_BYTES))
    return f'{zlib.crc32(file.read(_END_BYTES), crc):08x}'


def sha256(*paths: str) -> str:
  """Returns the SHA-256 of files, one after the other, in hexadecimal."""
  digest = hashlib.sha256()
  for path in paths:
    with open_stream(path) as file:
      while block := file.read(_BLOCK_BYTES):
        digest.update(block)
  return digest.hexdigest()


def real_path(path: str) -> str:
  """Returns the canonical name of a file.

  A local name becomes absolute, without symbolic links. A remote path is
  returned unchanged: '//' and '.' are parts of remote names.
  """
  local = local_path(path)
  return path if local is None else os.path.realpath(local)


def list_folder(path: str) -> list[str]:
  """Returns the sorted names in a folder, folders without trailing slash."""
  with explained('list', path):
    if (local := local_path(path)) is not None:
      return sorted(os.listdir(local))
    return sorted(name.rstrip('/') for name in gfile_for(path).listdir(path))


def expand(patterns: str | Iterable[str]) -> list[str]:
  """Expands comma-separated globs to the files they match, in the given order.

  Args:
    patterns: 'a.txt,b-*.txt' or an iterable of such strings. The matches of
      one pattern are sorted.

  Returns:
    Paths, each once, with a warning for one that occurs again; an empty list if
    there is no pattern.

  Raises:
    UserError: a pattern matches no file, or the name of a file is not UTF-8;
      the pattern or the name is shown.
  """
  if isinstance(patterns, str):
    patterns = [patterns]
  paths: dict[str, str] = {}  # Real path → the first spelling.
  for pattern in (p for text in patterns for p in text.split(',') if p):
    matches = _matches(pattern)
    if not matches:
      raise UserError(f'no file matches {pattern!r}')
    for path in matches:
      _require_utf8(path)
      if (real := real_path(path)) in paths:
        logging.warning('%s is named twice, and is read once', path)
      paths.setdefault(real, path)
  return list(paths.values())


def _matches(pattern: str) -> list[str]:
  with explained('list', pattern):
    if (local := local_path(pattern)) is not None:
      # A file whose name looks like a glob, 'a[1].txt', matches itself.
      return sorted(glob.glob(local)) or [local] * (_mode(local) is not None)
    return sorted(gfile_for(pattern).glob(pattern))


def require_file(path: str, description: str) -> str:
  """Returns `path` if it is a file.

  Args:
    path: the file.
    description: the file as the user knows it, such as '`vocab_file`'.

  Raises:
    UserError: `path` is empty, missing, a folder, a pipe or a device; the
      message begins with the description.
  """
  if not path:
    raise UserError(f'{description} must be given')
  if not exists(path):
    raise UserError(
      f'{description}: there is no file {path!r}{_obstacle(path)}'
    )
  if is_folder(path):
    raise UserError(f'{description}: {path!r} is a folder, not a file')
  if (local := local_path(path)) and (kind := _endless_kind(local)):
    raise UserError(f'{description}: {path!r} is {kind}')
  return path


def check_output_file(path: str, inputs: Iterable[str]) -> None:
  """Fails before the inputs are read if `output_file` cannot be written.

  Its folder is made if it is missing.

  Args:
    path: the value of `output_file`.
    inputs: the files to read, which the output must not replace.

  Raises:
    UserError: the path is a folder or an input, or its folder cannot be made
      or written to.
  """
  if is_folder(path):
    raise UserError(f'`output_file`: {path!r} is a folder, not a file')
  if real_path(path) in map(real_path, inputs):
    raise UserError(f'`output_file`: {path!r} is also an input file')
  make_folder(os.path.dirname(path) or '.')


def _endless_kind(local: str) -> str:
  """Says how a local path differs from a file that ends; '' if it is one."""
  mode = os.stat(local).st_mode
  if stat.S_ISFIFO(mode):
    return 'a pipe; expected a file, which can be read twice'
  if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
    return 'a device, not a file'
  return ''


def _obstacle(path: str) -> str:
  """Explains why a local path cannot be reached; '' if it is just missing."""
  local = local_path(path)
  if local is None:
    return ''
  try:
    os.stat(local)
  except FileNotFoundError:
    if os.path.islink(local):
      return f': it is a symbolic link to {os.readlink(local)!r}'
  except OSError as error:
    return f': {error.strerror}'
  return ''


def _require_utf8(path: str) -> None:
  """Raises a `UserError` if a name is not UTF-8, as records must be."""
  try:
    path.encode()
  except UnicodeEncodeError:
    raise UserError(
      f'the name of the file {ascii(path)} is not UTF-8: rename it'
    ) from None


def make_folder(path: str) -> None:
  """Makes a folder and its parents, and checks that it is writable.

  Raises:
    UserError: the folder cannot be made or written to.
  """
  with explained('write to', path):
    gfile = gfile_for(path)
    gfile.makedirs(path)
    if (local := local_path(path)) is not None:
      # The file has no name where the file system allows that, so a kill leaves
      # nothing.
      tempfile.TemporaryFile(dir=local).close()
      return
    probe = temporary_files.name_for(os.path.join(path, 'writable'))
    with gfile.GFile(probe, 'wb') as file:
      file.write(b'')
    gfile.remove(probe)


def open_stream(path: str) -> BinaryIO:
  """Opens a file's bytes for reading.

  Raises:
    UserError: the file is missing, unreadable, a pipe, or a device such as
      /dev/zero, which never ends. If reading fails later, a local file raises
      OSError, a remote one `UserError`.
  """
  with explained('read', path):
    if (local := local_path(path)) is not None:
      if kind := _endless_kind(local):
        raise UserError(f'cannot read {path}: it is {kind}')
      return open(local, 'rb')
    file = gfile_for(path).GFile(path, 'rb')
    file.size()  # GFile opens lazily; fail here rather than at the first line.
    return io.BufferedReader(RemoteStream(file, path), _BUFFER_BYTES)


def read_text(path: str) -> str:
  """Reads a whole UTF-8 file."""
  with explained('read', path), open_stream(path) as file:
    return file.read().decode('utf-8')


def read_json(path: str) -> Any:
  """Reads a JSON file.

  Raises:
    UserError: the file is unreadable or malformed (see `json_text.parse`); the
      message names it.
  """
  text = read_text(path)
  try:
    return json_text.parse(text)
  except ValueError as error:
    raise UserError(f'{path} is not valid JSON: {error}') from error


def read_object(path: str) -> dict[str, Any]:
  """Reads a JSON object.

  Raises:
    UserError: as for `read_json`, or the file holds another JSON value.
  """
  value = read_json(path)
  if not isinstance(value, dict):
    raise UserError(f'{path}: expected a JSON object, found {shown(value)}')
  return value


def read_object_if_there(path: str) -> dict[str, Any]:
  """Reads a JSON object as `read_object`; {} if there is no such file."""
  return read_object(path) if exists(path) else {}


@contextlib.contextmanager
def open_write(path: str, mode: str = 'w') -> Iterator[TextIO | BinaryIO]:
  """Writes a file under a temporary name and renames it once complete.

  If the block raises, `path` is unchanged and the temporary file is removed.
  """
  temporary = temporary_files.name_for(path)
  try:
    gfile = gfile_for(path)
    with explained('write', path), gfile.GFile(temporary, mode) as file:
      yield file
    rename(temporary, path)
  except BaseException:
    with contextlib.suppress(UserError):
      if exists(temporary):
        remove(temporary)
    raise


def write_text(path: str, text: str) -> None:
  """Writes a whole UTF-8 file; atomic if the file system's rename is."""
  with open_write(path) as file:
    file.write(text)


def write_json(path: str, value: Any) -> None:
  """Writes indented JSON with sorted keys, as `write_text` does.

  NaN and infinities, which JSON lacks, become null.
  """
  value = json_text.strict(value)
  write_text(path, json.dumps(value, indent=2, sort_keys=True) + '\n')


def rename(source: str, target: str) -> None:
  """Renames a file, replacing `target`. Atomic on local disks only.

  There a file's content reaches the disk first: otherwise a power cut could
  leave an empty file under the new name.
  """
  with explained('write', target):
    if (local := local_path(source)) is not None:
      flush_to_disk(local)
    gfile_for(target).rename(source, target, overwrite=True)


def create(path: str) -> BinaryIO:
  """Opens a file for writing bytes, which may be in a `memoryview`.

  File systems that open lazily report errors only at the first write.
  """
  with explained('write', path):
    if (local := local_path(path)) is not None:
      return open(local, 'wb')
    return RemoteSink(gfile_for(path).GFile(path, 'wb'))


def remove_folder(path: str) -> None:
  """Removes a folder and its contents, if it exists."""
  if is_folder(path):
    with explained('remove', path):
      gfile_for(path).rmtree(path)


def remove(path: str) -> None:
  """Removes one file."""
  with explained('remove', path):
    gfile_for(path).remove(path)


def remove_with_prefix(prefix: str) -> None:
  """Removes the files whose names begin with a prefix; ignores failures."""
  folder, start = os.path.split(prefix)
  gfile = gfile_for(prefix)
  with contextlib.suppress(*errors()):
    for name in gfile.listdir(folder or '.'):
      if name.startswith(start):
        gfile.remove(os.path.join(folder, name))
