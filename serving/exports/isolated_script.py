"""Runs a script of `checkers/` or `converters/` in a separate process.

The process starts as PYTHON -I SCRIPT: -I keeps this project's tree and the
user's variables out of it.

Tested by `tests/serving/exports/exporting_test.py`.
"""

import os
import pathlib
import subprocess

from serving import transformers_model
from system.errors import UserError

FOLDER = pathlib.Path(__file__).parent
_MAX_ERROR = 2000


def run(python: str, script: str, *arguments: str, action: str) -> None:
  """Runs a script to its end.

  Args:
    python: the interpreter.
    script: the script's path, relative to this module's folder.
    *arguments: the script's.
    action: what the script does to the export, for the message: 'loaded' or
      'written'.

  Raises:
    UserError: it fails; the end of its output is shown.
  """
  environment = {**os.environ, **transformers_model.ENVIRONMENT}
  # Of this process. That of `python` may have no legacy Keras.
  environment.pop('TF_USE_LEGACY_KERAS', None)
  done = subprocess.run(
    [python, '-I', str(FOLDER / script), *arguments],
    env=environment,
    capture_output=True,
    text=True,
  )
  if done.returncode:
    raise UserError(
      f'the export cannot be {action}: {script}, run by {python}, failed with '
      f'status {done.returncode}: {done.stderr[-_MAX_ERROR:].strip()}'
    )
