"""Folders that are written as a whole, and checks for foreign files in them."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator

from system import files, temporary_files
from system.errors import UserError


def check_free(folder: str, names: Iterable[str], reason: str) -> None:
  """Refuses a folder in which files would be replaced or join others.

  Args:
    folder: need not exist.
    names: of the files that it must not hold.
    reason: says why such files are not the caller's own; follows their names.

  Raises:
    UserError: the folder holds some; the message names them.
  """
  found = [x for x in names if files.exists(os.path.join(folder, x))]
  if found:
    raise UserError(
      f'{folder} holds {", ".join(found)}, {reason}. Give another folder.'
    )


@contextlib.contextmanager
def filled(path: str) -> Iterator[str]:
  """Fills a folder under a temporary name, and renames it once it is complete.

  Removes what a killed process left of this folder more than an hour ago.

  Args:
    path: the folder; its parent is created if missing. An existing folder is
      replaced when the block ends, and stays if the block raises.

  Yields:
    The temporary name of a new, empty folder next to it.

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
