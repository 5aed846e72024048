"""Locks on local files, which the system frees when their process ends.

Remote paths, and file systems without locks, have none.

Tested by `tests/system/file_locks_test.py`.
"""

import fcntl
import os
import time
from typing import TextIO

from system.file_systems import explained, local_path

_SHARED_TRIES = 10
_SECONDS_BETWEEN_TRIES = 0.05


def acquire(path: str, content: str) -> TextIO | None:
  """Locks a local file until the file is closed; makes it if it is missing.

  The system frees the lock when the process ends, even if it is killed.

  Args:
    path: the file. Never remove it: a process that still has it open and one
      that creates it again would then lock two different files.
    content: replaces the file's content once it is locked.

  Returns:
    The open file; None, and nothing is written, if the path is remote or its
    file system has no locks.

  Raises:
    BlockingIOError: another process holds the lock.
  """
  if (file := _locked(path, fcntl.LOCK_EX)) is None:
    return None
  with explained('write', path):
    file.truncate()
    file.write(content)
    file.flush()
  return file


def share(path: str) -> TextIO | None:
  """Locks a local file as `acquire` does, but with others that share it.

  The file's content stays.

  Raises:
    BlockingIOError: another process holds the lock of `acquire`.
  """
  # `is_alone` of another process holds the file for an instant.
  for _ in range(_SHARED_TRIES - 1):
    try:
      return _locked(path, fcntl.LOCK_SH)
    except BlockingIOError:
      time.sleep(_SECONDS_BETWEEN_TRIES)
  return _locked(path, fcntl.LOCK_SH)


def is_alone(file: TextIO) -> bool:
  """Returns whether no other process shares a lock of `share`.

  The lock stays shared.
  """
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True
  except BlockingIOError:
    return False
  finally:
    # A failed change of kind may lose the lock.
    fcntl.flock(file, fcntl.LOCK_SH)


def _locked(path: str, kind: int) -> TextIO | None:
  if (path := local_path(path)) is None:
    return None
  with explained('write', path):
    # A symbolic link is refused: it might lead out of the folder.
    # Another user of the group may lock the file, too, as the umask allows.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
      number = os.open(path, flags, 0o666)
    except PermissionError:
      if kind != fcntl.LOCK_SH or not os.path.exists(path):
        raise
      # Sharing writes nothing.
      number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    mode = 'r' if kind == fcntl.LOCK_SH else 'r+'
    file = os.fdopen(number, mode, encoding='utf-8')
  try:
    fcntl.flock(file, kind | fcntl.LOCK_NB)
  except OSError as error:
    file.close()
    if isinstance(error, BlockingIOError):
      raise
    return None
  return file
