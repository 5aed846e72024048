"""A run's folder: run.json, the record of its configuration.

It holds the run's flags, versions and data. A run with another configuration is
refused.
"""

import importlib.metadata
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from absl import logging

from devices import workers
from modeling.checkpoints import file_names, location, run_files
from modeling.checkpoints.file_names import INDEX
from modeling.checkpoints.run_files import RUN_FILE, flag_values
from system import files, temporary_files, threads
from system.errors import UserError

# The final names of a run's files. The folder may hold other jobs' files, such
# as records that data/create_pretraining_data.py is writing.
_OWN_FILES = (
  r'model\.ckpt-.*|checkpoint|best|\w+\.(json|jsonl|txt|tsv)|'
  r'(train|eval|predict)\w*\.tf_record(\.index\.json)?'
)
# Values of a configuration that say nothing to a reader: the flag that gave
# them, and how they differ.
_FINGERPRINTS = {
  'dumps': ('logits_dir', 'other dumps, or in another order'),
  'init_checkpoint': ('init_checkpoint', 'other weights'),
}
# Of a command, name → value; None if the command is unknown.
_Flags = Mapping[str, str] | None
_PACKAGES = ('tensorflow', 'tf_keras', 'tensorflow-text', 'tf-models-official')


def claim(
  output_dir: str,
  configuration: Mapping[str, Any],
  has_progress: bool,
  setting_name: str = 'output_dir',
  command: Mapping[str, Any] | None = None,
  is_alone: bool = True,
) -> None:
  """Writes `run.json`, or compares it with that of the run to resume.

  The chief writes it; the other workers compare theirs with it.

  Args:
    output_dir: the run's folder; made if missing.
    configuration: everything that decides the run's weights: settings by name,
      the model's configuration, fingerprints of the data. JSON values.
    has_progress: whether there is a run to resume. If not, an existing
      `run.json` is overwritten.
    setting_name: the setting that gave the folder, for messages.
    command: the script and its flags, which `from_run` reads. A resumed run
      keeps the recorded one.
    is_alone: whether no other job writes this run's files. Then all their
      temporary files are left from killed runs, and are removed.

  Raises:
    UserError: the folder holds the progress of a run with another
      configuration (names each difference with both values), or checkpoints
      without a `run.json`.
  """
  with workers.chief_first():
    if workers.is_chief():
      files.make_folder(output_dir)
      temporary_files.remove_abandoned(output_dir)
      temporary_files.remove_abandoned(output_dir, _OWN_FILES, is_alone)
    _claim(output_dir, configuration, has_progress, setting_name, command)


def _claim(
  output_dir: str, configuration, has_progress: bool, setting_name, command
) -> None:
  path = os.path.join(output_dir, RUN_FILE)
  # JSON turns tuples into lists, as in the file to compare with.
  wanted = json.loads(json.dumps(configuration))
  if not files.exists(path) and _has_exports(output_dir):
    raise UserError(
      f'{output_dir} holds checkpoints (model.ckpt-*) but no run.json, so this '
      f'run cannot resume from them. Give another `{setting_name}`.'
    )
  if not has_progress and (trained := _trained_weights(output_dir)):
    raise UserError(
      f'{output_dir} holds the weights of a run ({trained}), but nothing that '
      f'it can resume from. Give another `{setting_name}`, or remove this one '
      'to start from the beginning.'
    )
  if not workers.is_chief() and not files.exists(path):
    raise UserError(
      f'worker {workers.index()} finds no {path}, which the chief has written: '
      f'`{setting_name}` must be a folder that all workers share'
    )
  if (has_progress or not workers.is_chief()) and files.exists(path):
    recorded = _content(path)
    found = recorded['configuration']
    commands = map(run_files.recorded_command, (recorded, {'command': command}))
    flags = tuple(flag_values(x[1]) if x else None for x in commands)
    names = {*found, *wanted} - _changed_since(found, wanted, *flags)
    _compare(output_dir, found, wanted, names, setting_name, flags)
    return
  versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
  content = {'configuration': wanted, 'versions': versions}
  if command:
    content['command'] = command
  files.write_json(path, content)


def _compare(
  output_dir: str,
  found: Mapping[str, Any],
  wanted: Mapping[str, Any],
  names: Iterable[str],
  setting_name: str,
  flags: tuple[_Flags, _Flags] = (None, None),
) -> None:
  """Raises a `UserError` if values differ; `flags` are those of both runs."""
  differences = []
  for key in sorted(names):
    there, now = found.get(key), wanted.get(key)
    name = key
    if there == now:
      continue
    if key in _FINGERPRINTS:
      # They tell a reader nothing.
      flag, what = _FINGERPRINTS[key]
      name = f'`{flag}`: {what}'
      there, now = (
        'unknown' if each is None else each.get(flag, 'not given')
        for each in flags
      )
    else:
      there, now = repr(there), repr(now)
    differences.append(f'{name}: {there} there, {now} now')
  if differences:
    raise UserError(
      f'{output_dir} holds a run with another configuration '
      f'({"; ".join(differences)}). Give another `{setting_name}`, or '
      'remove this one to start from the beginning.'
    )


def _changed_since(
  found: Mapping[str, Any],
  wanted: Mapping[str, Any],
  *flags: _Flags,
) -> set[str]:
  """Names the start if its files have changed since the run began.

  The run resumes without them. Another `init_checkpoint` is another matter.
  """
  key = 'init_checkpoint'
  there, now = ((each or {}).get(key) for each in flags)
  if found.get(key) == wanted.get(key) or not now or there != now:
    return set()
  logging.warning(
    '`%s`=%s holds other weights than those that this run began with. It '
    'resumes from its own.',
    *(key, now),
  )
  return {key}


def check_settings(output_dir: str, settings: Mapping[str, Any]) -> None:
  """Checks a folder before a run claims it, by the settings known so far.

  Args:
    output_dir: the folder of a run with progress.
    settings: those that decide the weights, by name. None is a value that the
      run chooses later.

  Raises:
    UserError: the folder's run has another value of one.
  """
  path = os.path.join(output_dir, RUN_FILE)
  found = _recorded(path) if files.exists(path) else {}
  wanted = json.loads(json.dumps(settings))
  names = [x for x in found.keys() & wanted.keys() if wanted[x] is not None]
  _compare(output_dir, found, wanted, names, 'output_dir')


def is_claimed(output_dir: str) -> bool:
  """Returns whether a run has claimed a folder.

  Raises:
    UserError: the folder's `run.json` is damaged, or not a run's.
  """
  path = os.path.join(output_dir, RUN_FILE)
  return files.exists(path) and bool(_content(path))


def recorded_script(output_dir: str) -> str | None:
  """Returns what made a folder, as its configuration says.

  Returns:
    None if no run has claimed the folder; '' if the record does not say it, as
    for the folder of several seeds.

  Raises:
    UserError: as for `is_claimed`.
  """
  path = os.path.join(output_dir, RUN_FILE)
  if not files.exists(path):
    return None
  return str(_recorded(path).get('script', ''))


def _recorded(path: str) -> dict[str, Any]:
  """Returns the configuration in a `run.json`."""
  return _content(path)['configuration']


def _content(path: str) -> dict[str, Any]:
  """Returns the content of a `run.json`; refuses one without configuration."""
  content = files.read_json(path)
  found = content.get('configuration') if isinstance(content, dict) else None
  if not isinstance(found, dict):
    raise UserError(
      f"{path} has no configuration: it is damaged, or not a run's file. Give "
      'another folder, or move what is in this one.'
    )
  return content


def is_of_another(output_dir: str, configuration: Mapping[str, Any]) -> bool:
  """Returns whether a folder's `run.json` has another configuration.

  Args:
    output_dir: the folder.
    configuration: as given to `claim`.
  """
  path = os.path.join(output_dir, RUN_FILE)
  wanted = json.loads(json.dumps(configuration))
  if not files.exists(path):
    return False
  return _recorded(path) != wanted


def release(output_dir: str, configuration: Mapping[str, Any]) -> None:
  """Removes the `run.json` of a run that failed before it made progress.

  Args:
    output_dir: the folder.
    configuration: as given to `claim`; a `run.json` with another one stays.
  """
  path = os.path.join(output_dir, RUN_FILE)
  if (
    workers.is_chief()
    and files.exists(path)
    and not is_of_another(output_dir, configuration)
  ):
    files.remove(path)


def _trained_weights(output_dir: str) -> str | None:
  """Returns the prefix of weights that training has changed, or None."""
  for folder in (output_dir, location.best_folder(output_dir)):
    names = files.list_folder(folder) if files.is_folder(folder) else []
    for name in names:
      prefix = name.removesuffix(INDEX)
      is_checkpoint = name != prefix and file_names.is_of_run(prefix)
      if is_checkpoint and file_names.step_in(prefix) > 0:
        return os.path.join(folder, prefix)
  return None


def _has_exports(output_dir: str) -> bool:
  return any(
    file_names.is_of_run(name) for name in files.list_folder(output_dir)
  )


def fingerprint(paths: Iterable[str]) -> list[list[Any]]:
  """Returns [name, size in bytes, CRC-32 of the ends] of each file.

  The ends are the first and the last MiB, so even a corpus of terabytes takes
  little time.
  """
  return threads.concurrent_map(
    lambda path: [
      os.path.basename(path),
      files.size(path),
      files.crc_of_ends(path),
    ],
    paths,
  )
