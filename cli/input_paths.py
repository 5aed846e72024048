"""Checks local inputs before TensorFlow is imported.

The import takes seconds, and a mistake in a path should not. Remote paths are
checked later: looking for them needs TensorFlow (see `cli.tpu_paths`).
"""

import dataclasses
from typing import Any

from absl import flags

from system import files, settings
from system.errors import UserError
from system.file_systems import local_path

FLAGS = flags.FLAGS


def check(options: Any) -> None:
  """Checks each setting that declares what it `reads` and takes effect.

  Args:
    options: all settings of a script, in groups that are defined as flags.

  Raises:
    UserError: a local input is missing, or is not a file; the message names the
      setting.
  """
  values = {name: FLAGS[name].value for name in FLAGS}
  groups = [getattr(options, x.name) for x in dataclasses.fields(options)]
  for group in groups:
    for each in settings.declared_in(type(group)):
      kind = each.setting.reads
      if kind and not settings.unmet(each.setting.needs, values):
        for path in paths(getattr(group, each.name), kind):
          if local_path(path) is not None:
            _require(kind, path, f'`{each.name}`')


def paths(value: Any, kind: str) -> list[str]:
  """Returns the paths in a setting.

  Args:
    value: a path, or a sequence of paths. A text of the kind 'files' has commas
      between them; other paths may contain commas.
    kind: what the setting declares that it `reads`.
  """
  texts = [value] if isinstance(value, str | None) else value
  if kind == 'files':
    texts = ','.join(filter(None, texts)).split(',')
  return [path for path in texts if path]


def _require(kind: str, path: str, description: str) -> None:
  matches = [path]
  try:
    if kind == 'files':
      matches = files.expand(path)
    elif kind != 'file':
      _locate(path)
      return
  except UserError as error:
    raise UserError(f'{description}: {error}') from error
  for match in matches:
    files.require_file(match, description)


def _locate(path: str) -> None:
  # It imports NumPy, which --help does not need.
  from modeling.checkpoints.location import locate

  locate(path)
