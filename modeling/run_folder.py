"""A run's folder: what it was started with, and what it measured.

run.json       flags, versions and data of the run; another configuration in
               the same folder is refused
metrics.jsonl  one line a log interval, without wall-clock times, so that a run
               that was stopped ends with the same bytes as one left alone
"""

import importlib.metadata
import json
import os
from collections.abc import Mapping
from typing import Any

from data import files
from data.errors import UserError

_PACKAGES = ('tensorflow', 'tf_keras', 'tensorflow-text', 'tf-models-official')


def claim(output_dir: str, configuration: Mapping[str, Any]) -> None:
  """Writes `run.json`, or compares the one that is there.

  Args:
    output_dir: the run's folder; it is made.
    configuration: all that decides the run's weights: flags by their names,
      the model's configuration, fingerprints of the data. JSON values.

  Raises:
    UserError: the folder holds a run with another configuration; each
      difference is named with both values.
  """
  files.make_folder(output_dir)
  path = os.path.join(output_dir, 'run.json')
  # Through JSON once, so that tuples compare as lists.
  wanted = json.loads(json.dumps(configuration))
  if files.exists(path):
    found = files.read_json(path)['configuration']
    differences = [
      f'{key}: {found.get(key)!r} there, {wanted.get(key)!r} now'
      for key in sorted(found.keys() | wanted.keys())
      if found.get(key) != wanted.get(key)
    ]
    if differences:
      raise UserError(
        f'{output_dir} holds a run with another configuration '
        f'({"; ".join(differences)}). Give another --output_dir, or remove '
        'this one to start afresh.'
      )
    return
  versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
  files.write_json(path, {'configuration': wanted, 'versions': versions})


def fingerprint(paths: list[str]) -> list[list[Any]]:
  """Returns [name, size in bytes] of each file, for `claim`."""
  return [[os.path.basename(path), files.size(path)] for path in paths]


class MetricsLog:
  """Appends one JSON object a line to `metrics.jsonl`."""

  def __init__(self, output_dir: str):
    self._path = os.path.join(output_dir, 'metrics.jsonl')
    self._lines: list[str] = []

  def resume(self, step: int) -> None:
    """Cuts the log back to the lines up to `step`."""
    if not files.exists(self._path):
      return
    self._lines = [
      line
      for line in files.read_text(self._path).splitlines()
      if _step_of(line) <= step
    ]
    self._write()

  def append(self, step: int, values: Mapping[str, float]) -> None:
    """Adds a line."""
    self._lines.append(json.dumps({'step': step, **values}))
    self._write()

  def _write(self) -> None:
    # Rewritten whole: object stores cannot append, and a line cut in the
    # middle can never be read. 10,000 lines are 1 MB.
    files.write_text(self._path, ''.join(x + '\n' for x in self._lines))


def _step_of(line: str) -> int:
  return json.loads(line)['step']
