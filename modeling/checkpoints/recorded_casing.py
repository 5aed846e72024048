"""Whether a checkpoint's text was lower-cased, from its name or its files."""

import os
import re

from modeling.checkpoints import model_file, run_files, tokenizer_files
from system import files

# Folders in Google's zip files: those that google-research/bert lists, and the
# compact models and whole-word masking (wwm), which it does not list.
_UNCASED = re.compile(r'((wwm_)?uncased|multilingual|chinese)_L-\d')
_CASED = re.compile(r'((wwm|multi)_)?cased_L-\d')

FILE = tokenizer_files.CONFIG


def of_name(folder: str) -> tuple[str, bool] | None:
  """Returns the casing of a released model, from the name of its folder.

  >>> of_name('models/uncased_L-2_H-128_A-2')
  ('uncased_L-2_H-128_A-2', True)

  Returns:
    The folder's name, and whether its text was lower-cased; None if the folder
    is not named as a released model.
  """
  name = os.path.basename(folder.rstrip('/'))
  for pattern, is_lower in ((_UNCASED, True), (_CASED, False)):
    if pattern.match(name):
      return name, is_lower
  return None


def beside(prefix: str) -> tuple[str, bool] | None:
  """Reads the casing from the files that describe a checkpoint.

  These are Hugging Face's tokenizer_config.json and tokenizer.json, and our
  model.json and run.json.

  Args:
    prefix: the prefix of an existing checkpoint.

  Returns:
    The path of the file, and its do_lower_case; None if none has the key.
  """
  folder = os.path.dirname(prefix)
  if recorded := tokenizer_files.lower_case(folder):
    return recorded
  content = model_file.read(folder)
  if content and content.do_lower_case is not None:
    return os.path.join(folder, model_file.FILE), content.do_lower_case
  run = run_files.of_checkpoint(folder)
  path = os.path.join(run, run_files.RUN_FILE)
  value = _of_run(path)
  return None if value is None else (path, value)


def write(
  folder: str, do_lower_case: bool | None, longest_input: int | None = None
) -> None:
  """Records the casing next to the checkpoints of a folder, for `beside`.

  Args:
    folder: the folder.
    do_lower_case: whether text is lower-cased; None if unknown.
    longest_input: the maximum length of another program's tokenizer, in tokens;
      None if unknown.
  """
  values = {'do_lower_case': do_lower_case, 'model_max_length': longest_input}
  known = {key: value for key, value in values.items() if value is not None}
  if known:
    files.write_json(os.path.join(folder, FILE), known)


def _of_run(path: str) -> bool | None:
  """Reads do_lower_case in a run.json, perhaps of another program.

  Returns:
    None if there is no such file or value.
  """
  values = files.read_json(path) if files.exists(path) else {}
  values = values.get('configuration') if isinstance(values, dict) else {}
  return values.get('do_lower_case') if isinstance(values, dict) else None
