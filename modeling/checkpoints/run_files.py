"""The files by which a run's folder is known: run.json and the best checkpoint.

`training.run_folder` writes run.json: the run's flags, versions and data.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from system import files

RUN_FILE = 'run.json'
# Folders inside the run's: its best checkpoint, and a student's own dump.
BEST, DUMP = 'best', 'dump'


def of_checkpoint(folder: str) -> str:
  """Returns the folder of the run whose checkpoints a folder holds.

  A run's best checkpoint is in RUN/best; run.json is in RUN.

  >>> of_checkpoint('runs/sst2/best'), of_checkpoint('runs/sst2')
  ('runs/sst2', 'runs/sst2')
  """
  is_best = os.path.basename(folder) == BEST
  return os.path.dirname(folder) if is_best else folder


def read(folder: str) -> dict[str, Any]:
  """Reads the run.json of a run's folder; {} if there is none.

  Raises:
    UserError: the file is damaged, or no JSON object.
  """
  return files.read_object_if_there(os.path.join(folder, RUN_FILE))


def recorded_command(run: Any) -> tuple[str, list[str]] | None:
  """Returns the command in a run.json: the script's name, and its flags.

  >>> recorded_command({'command': {'script': 'run_classifier', 'flags': []}})
  ('run_classifier', [])

  Args:
    run: the content of a run.json, perhaps another program's.

  Returns:
    None if there is no such command.
  """
  command = run.get('command') if isinstance(run, Mapping) else None
  if not isinstance(command, Mapping):
    return None
  script, flags = command.get('script'), command.get('flags')
  is_text = isinstance(flags, list) and all(isinstance(x, str) for x in flags)
  return (script, flags) if isinstance(script, str) and is_text else None


def recorded_dumps(run: Mapping[str, Any]) -> list[Any]:
  """Returns the fingerprints of the dumps in a run.json; [] if it has none."""
  configuration = run.get('configuration')
  is_object = isinstance(configuration, Mapping)
  return (configuration.get('dumps') or []) if is_object else []


def flag_values(words: Iterable[str]) -> dict[str, str]:
  """Returns the flags in the words of a command, name → last value.

  Flags without a value, such as --do_eval, are left out.
  """
  pairs = (word.partition('=') for word in words if word.startswith('--'))
  return {name[2:]: value for name, equals, value in pairs if equals}
