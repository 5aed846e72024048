"""The one place that opens, lists, renames and removes files.

Every path may be local or remote (`gs://`, and TensorFlow's in-memory `ram://`
in tests). TensorFlow is imported on first use, so that a script's `--help`
never waits for it.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, TextIO

from data.errors import UserError, reason_of


def _gfile():
  import tensorflow as tf

  return tf.io.gfile


@contextlib.contextmanager
def _explained(action: str, path: str) -> Iterator[None]:
  """Turns the file system's exceptions into one `UserError`."""
  import tensorflow as tf

  try:
    yield
  except (tf.errors.OpError, OSError, UnicodeDecodeError) as error:
    raise UserError(f'cannot {action} {path}: {reason_of(error)}') from error


def exists(path: str) -> bool:
  """Returns whether a file or folder of this name exists."""
  return bool(path) and _gfile().exists(path)


def is_folder(path: str) -> bool:
  """Returns whether `path` is a folder."""
  return bool(path) and _gfile().isdir(path)


def size(path: str) -> int:
  """Returns a file's size in bytes."""
  with _explained('read', path):
    return _gfile().stat(path).length


def list_folder(path: str) -> list[str]:
  """Returns the sorted names in a folder, folders with no trailing slash."""
  with _explained('list', path):
    return sorted(name.rstrip('/') for name in _gfile().listdir(path))


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
    with _explained('list', pattern):
      matches = sorted(_gfile().glob(pattern))
    if not matches:
      raise UserError(f'no file matches {pattern!r}')
    paths.update(dict.fromkeys(matches))
  return list(paths)


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
  with _explained('write to', path):
    _gfile().makedirs(path)
    probe = os.path.join(path, f'.writable.{os.getpid()}')
    with _gfile().GFile(probe, 'wb') as file:
      file.write(b'')
    _gfile().remove(probe)


@contextlib.contextmanager
def open_read(path: str, mode: str = 'r') -> Iterator[Any]:
  """Opens a file for reading: 'r' for UTF-8 text, 'rb' for bytes."""
  with _explained('read', path):
    file = _gfile().GFile(path, mode)
    file.size()  # GFile opens lazily; fail here rather than at the first line.
  with file:
    yield file


def read_text(path: str) -> str:
  """Reads a whole UTF-8 file."""
  with _explained('read', path), _gfile().GFile(path, 'rb') as file:
    return file.read().decode('utf-8')


def read_json(path: str) -> Any:
  """Reads a JSON file; a `UserError` names the file where it is malformed."""
  try:
    return json.loads(read_text(path))
  except json.JSONDecodeError as error:
    raise UserError(f'{path} is not valid JSON: {error}') from error


def temporary_name(path: str) -> str:
  """Returns the name under which `path` is written until it is whole."""
  folder, name = os.path.split(path)
  return os.path.join(folder, f'.{name}.{os.getpid()}.tmp')


@contextlib.contextmanager
def open_write(path: str, mode: str = 'w') -> Iterator[TextIO | BinaryIO]:
  """Writes a file under a temporary name and renames it when it is whole.

  If the block raises, nothing appears under `path` and what stood there stays.
  """
  temporary = temporary_name(path)
  try:
    with _explained('write', path), _gfile().GFile(temporary, mode) as file:
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
  with _explained('write', target):
    _gfile().rename(source, target, overwrite=True)


def copy(source: str, target: str) -> None:
  """Copies a file under a temporary name, then renames it to `target`."""
  temporary = temporary_name(target)
  with _explained('copy', f'{source} to {target}'):
    _gfile().copy(source, temporary, overwrite=True)
  rename(temporary, target)


def remove(path: str) -> None:
  """Removes one file."""
  with _explained('remove', path):
    _gfile().remove(path)
