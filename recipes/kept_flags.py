"""The flags that decided what a recipe's folder holds, in a JSON file there.

Tested by `tests/recipes/kept_flags_test.py`.
"""

import json
from collections.abc import Mapping

from system import files, local_files
from system.errors import UserError


def check(path: str, values: Mapping[str, object], advice: str) -> None:
  """Refuses other values of flags than those in a folder's file.

  Flags that the file or the command lacks are not compared: commands with
  different flags may share a folder.

  Args:
    path: the JSON file; it need not exist.
    values: flag, without dashes → a JSON value.
    advice: ends the message, such as 'Give another --work_dir.'

  Raises:
    UserError: a flag differs; names it and shows both values. Or the file is
      damaged.
  """
  earlier = files.read_object_if_there(path)
  for name, value in values.items():
    if name in earlier and earlier[name] != value:
      raise UserError(
        f'--{name}: {path} has {earlier[name]!r}, now {value!r}. {advice}'
      )


def keep(path: str, values: Mapping[str, object]) -> None:
  """Adds flags to a folder's file."""
  content = {**files.read_object_if_there(path), **values}
  local_files.write(path, json.dumps(content, indent=2) + '\n')
