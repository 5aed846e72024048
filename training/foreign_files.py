"""Keeps files of other programs that a job would replace.

A folder without the `run.json` of a run may hold anything. A job that is about
to claim such a folder is refused if its files have the names of other
programs' files.

Tested by `tests/training/foreign_files_test.py`.
"""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.tasks import data_report, label_order
from modeling.checkpoints.bundle_files import CONFIG, VOCAB
from system import files, text_files
from system.errors import UserError
from training import run_folder, seed_folders

# What a run writes and its `run.json` vouches for, besides the descriptions of
# its model. A trailing slash marks a folder.
_OF_RUN = (
  *['checkpoint', 'checkpoints/', 'best/', 'metrics.jsonl'],
  *['eval_metrics.jsonl', 'model.json'],
)
_OF_TASK = (
  *['dump/', 'train.tf_record', 'train.tf_record.index.json'],
  data_report.FILE,
)


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
      are not what this run writes; they are named.
  """
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

  A report of seeds, which an evaluation alone writes too, may be replaced.
  """
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
    UserError: as for `check_run`.
  """
  if not run_folder.is_claimed(folder):
    foreign = [*_present(folder, parts), *_other_labels(folder, labels)]
    _refuse(folder, foreign, 'logits_dir')


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


def _refuse(folder: str, foreign: Sequence[str], label: str) -> None:
  if foreign:
    raise UserError(
      f'{folder} holds no run, but {" and ".join(foreign)}, which this run '
      f'would replace. Give another `{label}`, or move what is there.'
    )
