"""The settings that decided what a folder holds, in a JSON file of the folder.

Tested by `tests/system/kept_settings_test.py`.
"""

import json
from collections.abc import Mapping

from system import files, local_files
from system.errors import UserError, shown


def check(path: str, settings: Mapping[str, object], advice: str) -> None:
  """Refuses other values of settings than those in a folder's file.

  What the file or the command lacks is not compared: commands with different
  settings may share a folder.

  Args:
    path: the JSON file; it need not exist.
    settings: name → a JSON value.
    advice: ends the message, such as 'Give another folder'.

  Raises:
    UserError: a setting differs; names it and shows both values. Or the file is
      damaged.
  """
  earlier = _read(path)
  for name, value in settings.items():
    if name in earlier and earlier[name] != value:
      raise UserError(
        f'`{name}`: {path} has {shown(earlier[name])}, now {shown(value)}. '
        f'{advice}'
      )


def keep(path: str, settings: Mapping[str, object]) -> None:
  """Adds settings to a folder's file, once something was made with them."""
  content = {**_read(path), **settings}
  local_files.write(path, json.dumps(content, indent=2) + '\n')


def _read(path: str) -> dict[str, object]:
  return files.read_object(path) if files.exists(path) else {}
