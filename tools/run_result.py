"""Makes, writes and reads the result files of finished runs.

`tools.result_schema` describes what is in them.
"""

import datetime
import json
import math
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from modeling.checkpoints import run_files
from modeling.checkpoints.file_names import CONFIG, DATA, of_step
from modeling.checkpoints.location import best_folder, locate
from modeling.configs import BertConfig, count_parameters
from serving.exports import run_facts
from system import files, local_files, machine
from system.errors import UserError, shown
from tools import result_schema
from training import class_scores, result_files

EXPERIMENT_FILE = 'experiment.json'

# Larger confusion matrices are left out: a report could not show them.
_MAX_LABELS = 20

# The keys that come first in the name of a file, without their own names.
_LEADING = ('task', 'size', 'method')
# As learning rates are written.
_RATE = re.compile(r'[1-9](\.\d*[1-9])?e-0?[1-9]\d*|0\.\d*[1-9]')
_UNSAFE = re.compile(r'[^A-Za-z0-9.+]+')


def make(
  run_dir: str,
  keys: Mapping[str, Any],
  seconds: float | None = None,
  split: str | None = None,
  model_dir: str | None = None,
  is_here: bool = True,
) -> dict[str, Any]:
  """Describes a finished run.

  Args:
    run_dir: the `output_dir` of an evaluated run.
    keys: what the run stands for; those that are None are left out.
    seconds: the wall time of its commands; None if unknown.
    split: the evaluated split, as for `run_facts.evaluated_split`.
    model_dir: the evaluated model, if it is not in `run_dir`.
    is_here: whether it ran on this machine, whose hardware is recorded then.

  Returns:
    A result. The scores are those of `eval_results.txt` without 'eval_'; those
    of MNLI's mismatched split begin with 'mismatched_'. The confusion matrix is
    that of the matched split; more than 20 labels have none.

  Raises:
    UserError: the run was not evaluated, a key is malformed, or the scores
      are those of another split.
  """
  scores, step = _scores(run_dir)
  run = run_files.read(run_dir)
  command = run_files.recorded_command(run)
  script, words = command or (None, [])
  config = _config(run_dir, model_dir)
  written = files.modified(os.path.join(run_dir, 'eval_results.txt'))
  rate = run_facts.speed_of_evaluation(run_dir).get('examples_per_second')
  return result_schema.check(
    {
      'keys': dict(keys),
      'scores': scores,
      'confusion': _confusion(run_dir),
      'split': run_facts.evaluated_split(run_dir, words, split),
      'parameters': count_parameters(config),
      'examples_per_second': rate,
      'seconds': seconds,
      'command': [f'{script}.py', *words] if script else None,
      'versions': run.get('versions'),
      'hardware': machine.hardware() if is_here else None,
      'init_checkpoint': run.get('configuration', {}).get('init_checkpoint'),
      'checkpoint': _crc(run_dir, step),
      'finished': as_time(written) if written else None,
    },
    run_dir,
  )


def parse_keys(texts: Iterable[str]) -> dict[str, Any]:
  """Parses keys as a flag gives them: 'size=2/128', 'seed=1'.

  A number as Python or a learning rate is written, such as 0.001 or 1e-3,
  becomes one.

  Raises:
    UserError: a text is not NAME=VALUE, or a name occurs twice.
  """
  keys: dict[str, Any] = {}
  for text in texts:
    name, equals, value = text.partition('=')
    if not (name and equals and value) or name in keys:
      raise UserError(
        f'--keys must be NAME=VALUE,... with each name once, got {shown(text)}'
      )
    keys[name] = _number(value)
  return keys


def file_name(keys: Mapping[str, Any]) -> str:
  """Returns the name of a result's file, 'SST-2_2-128_PD_seed1.json'.

  The task, the size and the method come first, the seed last, and any other
  keys between them, sorted, with their names: 'domain-books'. Null is left out.
  """
  keys = {name: value for name, value in keys.items() if value is not None}
  parts = [str(keys[name]) for name in _LEADING if name in keys]
  others = sorted(keys.keys() - {*_LEADING, 'seed'})
  parts += [f'{name}-{keys[name]}' for name in others]
  parts += [f'seed{keys["seed"]}'] if 'seed' in keys else []
  return '_'.join(_UNSAFE.sub('-', part) for part in parts) + '.json'


def scores_line(record: Mapping[str, Any]) -> str:
  """Returns a result's split and scores: 'test: accuracy 0.815, loss 0.402'."""
  scores = ', '.join(
    f'{name} {"undefined" if value is None else f"{value:.4g}"}'
    for name, value in record['scores'].items()
  )
  return f'{record["split"]}: {scores}'


def write(results_dir: str, name: str, record: Mapping[str, Any]) -> str:
  """Writes a result; an earlier one of the same keys is replaced.

  Args:
    results_dir: a local folder, made if missing.
    name: the file's name, see `file_name`; '.json' is added if it lacks it.
    record: the result.

  Returns:
    The file's path.

  Raises:
    UserError: the result is malformed, or the file holds one of other keys.
  """
  path = os.path.join(results_dir, f'{name.removesuffix(".json")}.json')
  record = result_schema.check(record, path)
  if os.path.exists(path) and (old := read(path)['keys']) != record['keys']:
    raise UserError(
      f'{path} holds the result of {_text(old)}, not of '
      f'{_text(record["keys"])}: give another name'
    )
  local_files.write(path, json.dumps(record, indent=2) + '\n')
  return path


def write_of_step(
  path: str,
  run_dir: str,
  keys: Mapping[str, Any],
  seconds: float | None,
  split: str | None = None,
) -> None:
  """Records the run of a step (`system.steps`) once it is done.

  Args:
    path: of the result's file.
    run_dir: as for `make`.
    keys: as for `make`.
    seconds: as a step's `finish` gets them: None if another list, perhaps on
      another machine, ran the command.
    split: as for `make`.

  Raises:
    UserError: as for `make` and `write`.
  """
  record = make(run_dir, keys, seconds, split, is_here=seconds is not None)
  write(os.path.dirname(path), os.path.basename(path), record)


def read(path: str) -> dict[str, Any]:
  """Reads one result.

  Raises:
    UserError: the file is missing or malformed.
  """
  return result_schema.check(files.read_json(path), path)


def read_all(results_dir: str) -> list[dict[str, Any]]:
  """Reads the results in a folder, in the order of their files' names.

  Every *.json is one but experiment.json. Folders inside are not read.

  Raises:
    UserError: a file is malformed, or two have the same keys.
  """
  results: dict[str, tuple[str, dict[str, Any]]] = {}
  for path in sorted(map(str, pathlib.Path(results_dir).glob('*.json'))):
    if os.path.basename(path) == EXPERIMENT_FILE:
      continue
    result = read(path)
    keys = _text(result['keys'])
    if keys in results:
      raise UserError(f'{path} and {results[keys][0]} are both of {keys}')
    results[keys] = path, result
  return [result for _, result in results.values()]


def as_time(seconds: float) -> str:
  """Returns a time in seconds since 1970 as '2026-11-27T01:02:03Z'."""
  time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
  return time.strftime('%Y-%m-%dT%H:%M:%SZ')


def _config(run_dir: str, model_dir: str | None) -> BertConfig:
  if not model_dir:
    return BertConfig.from_json_file(os.path.join(run_dir, CONFIG))
  return locate(model_dir).required_config()


def _scores(run_dir: str) -> tuple[dict[str, float | None], int]:
  """Returns the scores of a run, and the step of the evaluated checkpoint."""
  path = os.path.join(run_dir, 'eval_results.txt')
  values = result_files.read_eval_results(files.require_file(path, '`run_dir`'))
  step = int(values.pop('global_step', 0))
  if not values:
    raise UserError(f'{path} has no scores')
  path = os.path.join(run_dir, 'eval_results_mismatched.txt')
  others = result_files.read_eval_results(path) if files.exists(path) else {}
  others.pop('global_step', None)
  values |= {f'mismatched_{name}': value for name, value in others.items()}
  return {k: v if math.isfinite(v) else None for k, v in values.items()}, step


def _confusion(run_dir: str) -> dict[str, Any] | None:
  """Returns the confusion matrix; None if there is none, or a large one."""
  path = os.path.join(run_dir, 'eval_confusion.tsv')
  if not files.exists(path):
    return None
  labels, counts = class_scores.read_confusion(path)
  if len(labels) > _MAX_LABELS:
    return None
  return {'labels': list(labels), 'counts': counts.tolist()}


def _crc(run_dir: str, step: int) -> str | None:
  """Returns the CRC-32 of the weights of a step; None if they are gone."""
  for folder in (best_folder(run_dir), run_dir):
    path = os.path.join(folder, of_step(step) + DATA)
    if files.exists(path):
      return files.crc_of_ends(path)
  return None


def _number(text: str) -> str | int | float:
  """Returns a number if its text is the usual one: '1.10' is a version."""
  for kind in (int, float):
    try:
      value = kind(text)
    except ValueError:
      continue
    if math.isfinite(value) and (str(value) == text or _RATE.fullmatch(text)):
      return value
  return text


def _text(keys: Mapping[str, Any]) -> str:
  return ', '.join(f'{name} {keys[name]}' for name in sorted(keys))
