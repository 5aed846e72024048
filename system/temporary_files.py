"""Temporary files: their names, and removal of those that killed writers left.

A writer writes `name_for(path)` and renames it to `path` once it is complete,
so that readers never see part of a file.
"""

import contextlib
import os
import re
import secrets
import time

from system import file_systems

# The names that `name_for` returns. TensorFlow appends suffixes to the names of
# checkpoints.
_TEMPORARY = re.compile(r'\.(.+)\.[0-9a-f]{16}\.tmp(\..*)?')
# An active writer writes every few seconds. An hour far exceeds that, and the
# difference between two machines' clocks.
_ABANDONED_SECONDS = 3600


def name_for(path: str) -> str:
  """Returns a new temporary name for `path`, in the same folder.

  The name is random because processes on several machines, whose process ids
  may coincide, share folders.
  """
  folder, name = os.path.split(path)
  return os.path.join(folder, f'.{name}.{secrets.token_hex(8)}.tmp')


def remove_abandoned(
  folder: str, targets: str = '.*', is_alone: bool = False
) -> None:
  """Removes temporary files and folders that killed writers left.

  No process can see whether a writer on another machine is alive. Unless
  `is_alone`, only files unchanged for an hour are therefore removed, and none
  on file systems without modification times.

  Args:
    folder: the folder to tidy.
    targets: a regular expression for the final names of the files.
    is_alone: whether no other process can be writing these files, so that all
      their temporary files are abandoned.
  """
  gfile = file_systems.gfile_for(folder)
  before = time.time() - _ABANDONED_SECONDS
  names = []
  # A run continues if it cannot tidy. Another process may remove the same file.
  with contextlib.suppress(*file_systems.errors()):
    names = gfile.listdir(folder or '.')
  for name in names:
    match = _TEMPORARY.fullmatch(name)
    if not match or not re.fullmatch(targets, match[1]):
      continue
    path = os.path.join(folder, name)
    with contextlib.suppress(*file_systems.errors()):
      if is_alone or 0 < gfile.stat(path).mtime_nsec / 1e9 < before:
        (gfile.rmtree if gfile.isdir(path) else gfile.remove)(path)
