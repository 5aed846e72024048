"""Protects files of other programs that a job would replace.

A folder without the `run.json` of a run may hold anything. A job may not claim
such a folder if one of its own files would replace another program's file.

Tested by `tests/training/output_folder_check_test.py`.
"""

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.tasks import data_report, label_order
from modeling.checkpoints import file_names, run_files
from modeling.checkpoints.file_names import CONFIG, VOCAB
from system import files, text_files
from system.errors import UserError
from training import run_folder, seed_folders

# What a run writes and its `run.json` vouches for, besides the descriptions of
# its model. A trailing slash marks a folder.
_OF_RUN = (
  *['checkpoint', 'checkpoints/', f'{run_files.BEST}/', 'metrics.jsonl'],
  *['eval_metrics.jsonl', 'model.json'],
)
_OF_TASK = (
  *[f'{run_files.DUMP}/', 'train.tf_record', 'train.tf_record.index.json'],
  data_report.FILE,
)
# What identifies a dump of logits in its `run.json`.
DUMP_SCRIPT = 'run_distillation --do_dump_logits'
IMPORT_SCRIPT = 'run_distillation --do_import_logits'
_DUMP_SCRIPTS = (DUMP_SCRIPT, IMPORT_SCRIPT)
_OF_DUMP = re.compile(r'logits-\d{5}-of-\d{5}|dev_logits\.npy')


def check_run(
  folder: str,
  config: Mapping[str, Any],
  vocabulary: Sequence[str] | None,
  labels: Sequence[str] | None,
) -> None:
  """Checks that a run replaces no file that another program wrote.

  Args:
    folder: the run's; need not exist.
    config: the content of its bert_config.json.
    vocabulary: the lines of its vocab.txt; None if it writes none.
    labels: the content of its labels.txt; empty if it writes none; None if the
      run has no task.

  Raises:
    UserError: no run has claimed the folder, but it holds such files, and they
      are not what this run writes; the message names them. Or it holds a logits
      dump.
  """
  _refuse_dump(folder)
  if run_folder.is_claimed(folder):
    return
  config_file = os.path.join(folder, CONFIG)
  vocab_copy = os.path.join(folder, VOCAB)
  foreign = _present(folder, _OF_RUN)
  if labels is not None:
    foreign += _present(folder, _OF_TASK)
  if files.exists(config_file) and files.read_json(config_file) != config:
    foreign.append(config_file)
  if vocabulary is not None and files.exists(vocab_copy):
    foreign += [] if _has_lines(vocab_copy, vocabulary) else [vocab_copy]
  _refuse(folder, foreign + _other_labels(folder, labels or ()), 'output_dir')


def check_seeds(folder: str) -> None:
  """Checks a folder for the runs of several seeds, as `check_run` does.

  A report of seeds, which a job that only evaluates writes too, may be
  replaced.
  """
  _refuse_dump(folder)
  if run_folder.is_claimed(folder):
    return
  if found := _present(folder, [seed_folders.REPORT]):
    report = files.read_json(found[0])
    is_own = isinstance(report, dict) and report.keys() >= {'scores', 'summary'}
    _refuse(folder, [] if is_own else found, 'output_dir')


def check_dump(
  folder: str, labels: Sequence[str], parts: Iterable[str]
) -> None:
  """Checks that a dump replaces no file that another program wrote.

  Args:
    folder: the dump's; need not exist.
    labels: the content of its labels.txt; empty if it writes none.
    parts: the names of its other files.

  Raises:
    UserError: as for `check_run`; or the folder holds a run.
  """
  _refuse_run(folder)
  if not run_folder.is_claimed(folder):
    foreign = [*_present(folder, parts), *_other_labels(folder, labels)]
    _refuse(folder, foreign, 'logits_dir')


def _refuse_run(folder: str) -> None:
  """Raises a `UserError` if a folder holds a run: its record would be lost."""
  script = run_folder.recorded_script(folder)
  found = _present(folder, ('checkpoint', 'checkpoints/', f'{run_files.BEST}/'))
  names = files.list_folder(folder) if files.is_folder(folder) else []
  found += [os.path.join(folder, x) for x in names if file_names.is_of_run(x)]
  if found or script not in (*_DUMP_SCRIPTS, None):
    holds = f' of {script}' if script else ''
    what = found[0] if found else os.path.join(folder, run_folder.RUN_FILE)
    raise UserError(
      f'{folder} holds a run{holds} ({what}), whose record this dump would '
      'replace. Give another `logits_dir`.'
    )


def _refuse_dump(folder: str) -> None:
  """Raises a `UserError` if a folder holds a dump: its record would be lost.

  A run that has claimed the folder of a dump may continue.
  """
  if run_folder.recorded_script(folder) not in (*_DUMP_SCRIPTS, None):
    return
  names = files.list_folder(folder) if files.is_folder(folder) else []
  if parts := sorted(filter(_OF_DUMP.fullmatch, names)):
    raise UserError(
      f'{folder} holds a logits dump ({os.path.join(folder, parts[0])}), whose '
      'record this run would replace. Give another `output_dir`.'
    )


def _present(folder: str, names: Iterable[str]) -> list[str]:
  """Returns the paths of those files that exist, and of folders with files."""
  found = []
  for name in names:
    path = os.path.join(folder, name)
    if files.is_folder(path):
      found += [path] if files.list_folder(path) else []
    elif files.exists(path):
      found.append(path)
  return found


def _other_labels(folder: str, labels: Sequence[str]) -> list[str]:
  path = os.path.join(folder, label_order.FILE)
  if not labels or not files.exists(path):
    return []
  return [] if _has_lines(path, labels) else [path]


def _has_lines(path: str, lines: Iterable[str]) -> bool:
  theirs = text_files.read_lines(path)
  return all(a == b for a, b in itertools.zip_longest(theirs, lines))


def _refuse(folder: str, foreign: Sequence[str], setting_name: str) -> None:
  if foreign:
    raise UserError(
      f'{folder} holds no run, but {" and ".join(foreign)}, which this run '
      f'would replace. Give another `{setting_name}`, or move what is there.'
    )
