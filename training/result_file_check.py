"""Keeps a job's results from replacing the files of another program.

Each job replaces its earlier results. A file of a result's name is such a
result if it looks like one, or is empty.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence

from google.protobuf.message import DecodeError

from system import files
from system.errors import UserError

# Enough for all lines of an evaluation, and for a part of a prediction.
_START_BYTES = 1 << 16


def check_eval_results(output_dir: str) -> None:
  """As `check_replaceable`, for a job that writes only `eval_results.txt`."""
  check_path(os.path.join(output_dir, 'eval_results.txt'))


def check_replaceable(
  output_dir: str,
  evaluates: bool,
  predicts: bool,
  suffixes: Iterable[str] = ('',),
) -> None:
  """Checks that a job replaces no file that another program wrote.

  Args:
    output_dir: the folder; need not exist.
    evaluates: whether the job writes the files of an evaluation.
    predicts: whether it writes those of a prediction.
    suffixes: of the files' names.

  Raises:
    UserError: a file of the same name does not look like a result; the message
      names it.
  """
  for suffix in suffixes:
    names = []
    if evaluates:
      names += [f'eval_results{suffix}.txt', *_scored(f'eval{suffix}')]
      names += [f'eval_classes{suffix}.tsv', f'eval_confusion{suffix}.tsv']
    if predicts:
      names += [f'test_results{suffix}.tsv', f'predictions{suffix}.tsv']
      names += _scored(f'predict{suffix}')
    for name in names:
      check_path(os.path.join(output_dir, name))


def _scored(job: str) -> list[str]:
  """Returns the names of the files that scoring writes."""
  return [
    f'{job}.tf_record',
    f'{job}.tf_record.index.json',
    f'{job}_speed.json',
  ]


def check_path(path: str) -> None:
  """Raises a `UserError` if a file exists, is not empty, and is not a result.

  The records in a run's folder are the run's, even if they are damaged.
  """
  if not files.exists(path) or (
    not files.is_folder(path) and not files.size(path)
  ):
    return
  from training import run_folder  # Here, because it imports TensorFlow.

  folder, name = os.path.split(path)
  if re.search(_RECORDS, name) and run_folder.is_claimed(folder):
    return
  for pattern, (description, is_own) in _KINDS.items():
    if re.search(pattern, name):
      if files.is_folder(path) or not is_own(path):
        raise UserError(
          f'{path} is not {description}, so it is kept. Give another '
          '`output_dir`, or move what is there.'
        )
      return


def _is_evaluation(path: str) -> bool:
  lines = _start(path).splitlines()
  return any(line.startswith('global_step = ') for line in lines)


def _is_test_result(path: str) -> bool:
  line = _start(path).split('\n')[0]
  cells = line.split('\t')
  if len(line) == _START_BYTES:
    cells.pop()  # The line is longer than what was read: this cell is cut.
  try:
    return bool([*map(float, cells)])
  except ValueError:
    return False


def _is_prediction(path: str) -> bool:
  return is_predictions_header(_start(path).split('\n')[0].split('\t'))


def _begins_with(text: str) -> Callable[[str], bool]:
  return lambda path: _start(path).startswith(text)


def is_predictions_header(columns: Sequence[str]) -> bool:
  return columns[0] == 'example_id' and 'prediction' in columns


def _is_record_file(path: str) -> bool:
  # Here, because they take seconds; the tools for results import this module.
  import tensorflow as tf

  from data.records import record_reader

  try:
    (record,) = record_reader.read(path, 1)
    return (
      'is_real_example' in tf.train.Example.FromString(record).features.feature
    )
  except (UserError, ValueError, DecodeError):
    return False


def _has_key(key: str) -> Callable[[str], bool]:
  def has_key(path: str) -> bool:
    try:
      return key in files.read_json(path)
    except (UserError, TypeError):
      return False

  return has_key


def _start(path: str) -> str:
  """Returns the first part of a file, whatever its encoding."""
  with files.open_stream(path) as file:
    return file.read(_START_BYTES).decode(errors='replace')


_RECORDS = r'\.tf_record(\.index\.json)?$'

# A pattern of names → what it is expected to be, and the check.
_KINDS = {
  r'^eval_results.*\.txt$': (
    "the result of an evaluation (it has no line 'global_step = ')",
    _is_evaluation,
  ),
  r'^eval_classes.*\.tsv$': (
    'a table of the scores of labels (it has no header with label, precision)',
    _begins_with('label\tprecision\t'),
  ),
  r'^eval_confusion.*\.tsv$': (
    'a confusion matrix (it has no header with true_label)',
    _begins_with('true_label\tpredicted_'),
  ),
  r'^test_results.*\.tsv$': (
    'the result of a prediction (its first line is not numbers)',
    _is_test_result,
  ),
  r'^predictions.*\.tsv$': (
    'the result of a prediction (it has no header with example_id)',
    _is_prediction,
  ),
  r'\.tf_record$': ('a file of records', _is_record_file),
  r'\.index\.json$': ('the index of a file of records', _has_key('offsets')),
  r'_speed\.json$': ('a scoring rate', _has_key('examples_per_second')),
}
