"""Writes local text files for the tools that have no use for TensorFlow.

Everything else goes through system/files.py, which knows gs:// too but takes
TensorFlow's six seconds to import.
"""

import pathlib
import secrets

from system.errors import UserError


def write(path: str | pathlib.Path, content: str | bytes) -> None:
  """Writes a file under a temporary name and renames it when it is whole.

  The folder is made where there is none.

  Raises:
    UserError: the file can't be written; what stood there stays.
  """
  path = pathlib.Path(path)
  data = content.encode() if isinstance(content, str) else content
  temporary = path.with_name(f'.{path.name}.{secrets.token_hex(8)}.tmp')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
      temporary.write_bytes(data)
      temporary.replace(path)
    finally:
      temporary.unlink(missing_ok=True)
  except OSError as error:
    raise UserError(f'cannot write {path}: {error}') from error
