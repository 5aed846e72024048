"""A run's folder: what it was started with, and what it measured.

run.json       flags, versions and data of the run; another configuration in
               the same folder is refused
metrics.jsonl  one line a log interval, without wall-clock times, so that a run
               that was stopped ends with the same bytes as one left alone
"""

import importlib.metadata
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from devices import workers
from system import files, temporary_files
from system.errors import UserError

_RUN_FILE = 'run.json'
_PACKAGES = ('tensorflow', 'tf_keras', 'tensorflow-text', 'tf-models-official')


def claim(
  output_dir: str,
  configuration: Mapping[str, Any],
  has_progress: bool,
  label: str = 'output_dir',
  command: Mapping[str, Any] | None = None,
  is_alone: bool = True,
) -> None:
  """Writes `run.json`, or compares the one of the run that is to go on.

  Of several workers the chief does so; the others compare theirs with it.

  Args:
    output_dir: the run's folder; it is made.
    configuration: all that decides the run's weights: flags by their names,
      the model's configuration, fingerprints of the data. JSON values.
    has_progress: whether there is something to go on from; what a run without
      progress was started with doesn't matter.
    label: which label named the folder.
    command: the script and its flags, which --from_run takes up; that of a run
      that goes on stays as it is.
    is_alone: whether no other job writes to the folder: then all temporary
      files in it are what killed runs left, and are removed.

  Raises:
    UserError: the folder holds the progress of a run with another
      configuration, each difference is named with both values; or checkpoints
      of somebody else.
  """
  with workers.chief_first():
    if workers.is_chief():
      files.make_folder(output_dir)
      temporary_files.remove_abandoned(output_dir, is_alone=is_alone)
    _claim(output_dir, configuration, has_progress, label, command)


def _claim(
  output_dir: str, configuration, has_progress: bool, label, command
) -> None:
  path = os.path.join(output_dir, _RUN_FILE)
  # Through JSON once, so that tuples compare as lists.
  wanted = json.loads(json.dumps(configuration))
  if not files.exists(path) and _has_exports(output_dir):
    raise UserError(
      f'{output_dir} holds checkpoints (model.ckpt-*) but no run.json: they '
      f'are of a run that this one cannot go on from. Give another `{label}`.'
    )
  if not workers.is_chief() and not files.exists(path):
    raise UserError(
      f'worker {workers.index()} finds no {path}, which the chief has written: '
      f'`{label}` must be a folder that all workers see'
    )
  if (has_progress or not workers.is_chief()) and files.exists(path):
    found = _recorded(path)
    differences = [
      f'{key}: {found.get(key)!r} there, {wanted.get(key)!r} now'
      for key in sorted(found.keys() | wanted.keys())
      if found.get(key) != wanted.get(key)
    ]
    if differences:
      raise UserError(
        f'{output_dir} holds a run with another configuration '
        f'({"; ".join(differences)}). Give another `{label}`, or remove '
        'this one to start afresh.'
      )
    return
  versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
  content = {'configuration': wanted, 'versions': versions}
  if command:
    content['command'] = command
  files.write_json(path, content)


def _recorded(path: str) -> dict[str, Any]:
  """Returns the configuration that a `run.json` tells."""
  content = files.read_json(path)
  found = content.get('configuration') if isinstance(content, dict) else None
  if not isinstance(found, dict):
    raise UserError(
      f'{path} tells no configuration: it is damaged, or of something else. '
      'Whether the run there can go on cannot be seen; give another folder, or '
      'remove this one to start afresh.'
    )
  return found


def release(output_dir: str, configuration: Mapping[str, Any]) -> None:
  """Takes back a `claim` that has come to nothing, so that it binds nobody.

  Args:
    output_dir: the folder.
    configuration: as it was claimed; the claim of another one stays.
  """
  path = os.path.join(output_dir, _RUN_FILE)
  wanted = json.loads(json.dumps(configuration))
  if workers.is_chief() and files.exists(path) and _recorded(path) == wanted:
    files.remove(path)


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
    [os.path.basename(path), files.size(path), files.crc_of_ends(path)]
    for path in paths
  ]


class MetricsLog:
  """Appends one JSON object a line to `metrics.jsonl` or its like."""

  def __init__(self, output_dir: str, name: str = 'metrics.jsonl'):
    self._path = os.path.join(output_dir, name)
    self._lines: list[str] = []

  def resume(self, step: int) -> None:
    """Cuts the log back to the lines up to `step`.

    Raises:
      UserError: one of these is damaged. It is not left out: the best
        checkpoint and an early stop are decided by what the lines say.
    """
    if not files.exists(self._path):
      return
    self._lines, last = [], 0
    for number, line in enumerate(files.read_text(self._path).splitlines(), 1):
      # Steps ascend: from here on lines are cut off, whatever they hold.
      if last >= step:
        break
      last = self._step_of(line, number)
      self._lines += [line] if last <= step else []
    self._write()

  def append(self, step: int, values: Mapping[str, float]) -> None:
    """Adds a line."""
    self._lines.append(json.dumps({'step': step, **values}))
    self._write()

  def lines(self) -> list[dict[str, float]]:
    """Returns what was logged: `step` and the values of each line."""
    return [json.loads(line) for line in self._lines]

  def _step_of(self, line: str, number: int) -> int:
    try:
      return int(json.loads(line)['step'])
    except (ValueError, TypeError, KeyError) as error:
      raise UserError(
        f'{self._path}, line {number} is damaged: expected a JSON object with '
        f'a step, found {line[:40]!r}. If that line is removed, the run goes '
        'on without what was measured there.'
      ) from error

  def _write(self) -> None:
    # Rewritten whole: object stores cannot append, and a line cut in the
    # middle can never be read. 10,000 lines are 1 MB.
    files.write_text(self._path, ''.join(x + '\n' for x in self._lines))
