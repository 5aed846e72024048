"""Whether a checkpoint's text was lower-cased, as its name or folder says."""

import os
import re

from system import files

# Folders of Google's zip files, as google-research/bert knows them and those
# that it does not list: the compact models and whole-word masking (wwm).
_UNCASED = re.compile(r'((wwm_)?uncased|multilingual|chinese)_L-\d')
_CASED = re.compile(r'((wwm|multi)_)?cased_L-\d')


def of_name(path: str) -> tuple[str, bool] | None:
  """Tells the casing of a released model by the name of its folder.

  Args:
    path: of the folder, or of a checkpoint in it; need not exist.

  Returns:
    The folder's name, and whether its text was lower-cased; None for others.
  """
  path = path.rstrip('/')
  for part in (path, os.path.dirname(path)):
    name = os.path.basename(part)
    for pattern, is_lower in ((_UNCASED, True), (_CASED, False)):
      if pattern.match(name):
        return name, is_lower
  return None


def beside(prefix: str) -> tuple[str, bool] | None:
  """Reads the casing from the files beside a checkpoint.

  Args:
    prefix: as `checkpoint_files.resolve` returns it.

  Returns:
    Hugging Face's tokenizer_config.json, or the run.json of one of our runs,
    whose best checkpoint lies a folder deeper; and its do_lower_case. None
    where none of them tells it.
  """
  folder = os.path.dirname(prefix)
  path = os.path.join(folder, 'tokenizer_config.json')
  if (value := _lower_case(path)) is not None:
    return path, value
  path = os.path.join(run_folder(folder), 'run.json')
  value = _lower_case(path, 'configuration')
  return None if value is None else (path, value)


def run_folder(folder: str) -> str:
  """Returns the folder of the run whose checkpoints a folder holds.

  A run's best checkpoint is in RUN/best; its run.json and labels.txt are in
  RUN.
  """
  is_best = os.path.basename(folder) == 'best'
  return os.path.dirname(folder) if is_best else folder


def _lower_case(path: str, *keys: str) -> bool | None:
  if not files.exists(path):
    return None
  values = files.read_json(path)
  for key in keys:
    values = values.get(key, {})
  return values.get('do_lower_case')
