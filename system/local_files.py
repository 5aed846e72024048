"""Atomic writes of local files, without TensorFlow.

For tools that do not need TensorFlow otherwise: `system/files.py` also writes
to gs://, but it imports TensorFlow to write any file, which takes six seconds.
"""

import pathlib

from system import file_systems, temporary_files


def write(path: str | pathlib.Path, content: str | bytes) -> None:
  """Writes a file under a temporary name, then renames it.

  Creates the parent folders.

  Raises:
    UserError: the file cannot be written; an earlier file stays unchanged.
  """
  data = content.encode() if isinstance(content, str) else content
  path = pathlib.Path(path)
  temporary = pathlib.Path(temporary_files.name_for(str(path)))
  with file_systems.explained('write', str(path)):
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
      temporary.write_bytes(data)
      temporary.replace(path)
    finally:
      temporary.unlink(missing_ok=True)
