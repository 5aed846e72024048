"""A run's folder: what it was started with, and what it measured.

run.json       flags, versions and data of the run; another configuration in
               the same folder is refused
metrics.jsonl  one line a log interval, without wall-clock times, so that a run
               that was stopped ends with the same bytes as one left alone
"""

import importlib.metadata
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from data import files
from data.errors import UserError
from modeling import workers

_END_BYTES = 1 << 20
_PACKAGES = ('tensorflow', 'tf_keras', 'tensorflow-text', 'tf-models-official')


def claim(
  output_dir: str,
  configuration: Mapping[str, Any],
  has_progress: bool,
  flag: str = '--output_dir',
  command: Mapping[str, Any] | None = None,
) -> None:
  """Writes `run.json`, or compares the one of the run that is to go on.

  Of several workers the chief does so; the others compare theirs with it.

  Args:
    output_dir: the run's folder; it is made.
    configuration: all that decides the run's weights: flags by their names,
      the model's configuration, fingerprints of the data. JSON values.
    has_progress: whether there is something to go on from; what a run without
      progress was started with doesn't matter.
    flag: which flag named the folder.
    command: the script and its flags, which --from_run takes up; that of a run
      that goes on stays as it is.

  Raises:
    UserError: the folder holds the progress of a run with another
      configuration, each difference is named with both values; or checkpoints
      of somebody else.
  """
  with workers.chief_first():
    if workers.is_chief():
      files.make_folder(output_dir)
    _claim(output_dir, configuration, has_progress, flag, command)


def _claim(
  output_dir: str, configuration, has_progress: bool, flag, command
) -> None:
  path = os.path.join(output_dir, 'run.json')
  # Through JSON once, so that tuples compare as lists.
  wanted = json.loads(json.dumps(configuration))
  if not files.exists(path) and _has_exports(output_dir):
    raise UserError(
      f'{output_dir} holds checkpoints (model.ckpt-*) but no run.json: they '
      f'are of a run that this one cannot go on from. Give another {flag}.'
    )
  if not workers.is_chief() and not files.exists(path):
    raise UserError(
      f'worker {workers.index()} finds no {path}, which the chief has written: '
      f'{flag} must be a folder that all workers see'
    )
  if (has_progress or not workers.is_chief()) and files.exists(path):
    found = files.read_json(path)['configuration']
    differences = [
      f'{key}: {found.get(key)!r} there, {wanted.get(key)!r} now'
      for key in sorted(found.keys() | wanted.keys())
      if found.get(key) != wanted.get(key)
    ]
    if differences:
      raise UserError(
        f'{output_dir} holds a run with another configuration '
        f'({"; ".join(differences)}). Give another {flag}, or remove '
        'this one to start afresh.'
      )
    return
  versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
  content = {'configuration': wanted, 'versions': versions}
  if command:
    content['command'] = command
  files.write_json(path, content)


def _has_exports(output_dir: str) -> bool:
  return any(
    name.startswith('model.ckpt-') for name in files.list_folder(output_dir)
  )


def fingerprint(paths: Iterable[str]) -> list[list[Any]]:
  """Returns [name, size in bytes, CRC-32 of the ends] of each file.

  The ends are the first and the last MiB, so that it takes no time even on a
  corpus of terabytes.
  """
  return [
    [os.path.basename(path), files.size(path), _crc_of_ends(path)]
    for path in paths
  ]


def _crc_of_ends(path: str) -> str:
  with files.open_read(path, 'rb') as file:
    crc = zlib.crc32(file.read(_END_BYTES))
    file.seek(max(0, files.size(path) - _END_BYTES))
    return f'{zlib.crc32(file.read(_END_BYTES), crc):08x}'


class MetricsLog:
  """Appends one JSON object a line to `metrics.jsonl` or its like."""

  def __init__(self, output_dir: str, name: str = 'metrics.jsonl'):
    self._path = os.path.join(output_dir, name)
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

  def lines(self) -> list[dict[str, float]]:
    """Returns what was logged: `step` and the values of each line."""
    return [json.loads(line) for line in self._lines]

  def _write(self) -> None:
    # Rewritten whole: object stores cannot append, and a line cut in the
    # middle can never be read. 10,000 lines are 1 MB.
    files.write_text(self._path, ''.join(x + '\n' for x in self._lines))


def _step_of(line: str) -> int:
  return json.loads(line)['step']
