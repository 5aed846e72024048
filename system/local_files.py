"""Atomic writes of local files, without TensorFlow.

For tools that do not need TensorFlow otherwise: `system/files.py` also writes
to gs://, but it imports TensorFlow to write any file, which takes six seconds.
"""

import pathlib
import re

from system import file_systems, temporary_files
from system.errors import UserError

# 'gs://', also as `pathlib` writes it. Windows' drives have one letter.
_REMOTE = re.compile(r'[A-Za-z][\w.+-]+:/')


def require_local(path: str | pathlib.Path) -> None:
  """Fails if a path is remote: a folder named 'gs:' would take its place.

  `write` also calls it. A tool that works long before it writes calls it first.

  Raises:
    UserError: the path begins with a scheme.
  """
  if _REMOTE.match(str(path)):
    raise UserError(f'cannot write to {path}: expected a local path')


def write(path: str | pathlib.Path, content: str | bytes) -> None:
  """Writes a file under a temporary name, then renames it.

  Creates the parent folders.

  Raises:
    UserError: the file cannot be written, or is not local; an earlier file
      stays unchanged.
  """
  require_local(path)
  data = content.encode() if isinstance(content, str) else content
  path = pathlib.Path(path)
  temporary = pathlib.Path(temporary_files.name_for(str(path)))
  with file_systems.explained('write', str(path)):
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
      temporary.write_bytes(data)
      file_systems.flush_to_disk(str(temporary))
      temporary.replace(path)
    finally:
      temporary.unlink(missing_ok=True)
