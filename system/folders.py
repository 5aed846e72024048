"""Folders that are written as a whole."""

import contextlib
import os
import re
from collections.abc import Iterator

from system import files, temporary_files


@contextlib.contextmanager
def filled(path: str) -> Iterator[str]:
  """Fills a folder under a temporary name, and renames it once it is complete.

  Removes what a killed process left of this folder more than an hour ago.

  Args:
    path: the folder; its parent is created if missing. An existing folder is
      replaced when the block ends, and stays if the block raises.

  Yields:
    The temporary name of a new, empty folder beside it.

  Raises:
    UserError: the folder cannot be made or renamed.
  """
  path = files.real_path(path).rstrip('/')
  parent, name = os.path.split(path)
  files.make_folder(parent)
  temporary_files.remove_abandoned(parent, re.escape(name))
  temporary = temporary_files.name_for(path)
  try:
    files.make_folder(temporary)
    yield temporary
    files.remove_folder(path)
    files.rename(temporary, path)
  except BaseException:
    files.remove_folder(temporary)
    raise
