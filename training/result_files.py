"""Writes and reads the result files of evaluation and prediction.

eval_results.txt    one `key = value` per line, as in google-research/bert
eval_classes.tsv    the scores of each label, and
eval_confusion.tsv  the confusion matrix; see `training.class_scores`
test_results.tsv    one example's probabilities per line, as in
                    google-research/bert
predictions.tsv     the same with a header, ids, labels and their names; see
                    `write_predictions`
<job>.tf_record     the examples that are evaluated or predicted
<job>_speed.json    the scoring rate; null if unknown

MNLI's mismatched splits have files of their own beside those of the matched
splits, such as eval_results_mismatched.txt.

Each job replaces its earlier results, but no file of another program.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from absl import logging
from google.protobuf.message import DecodeError

from data.tasks.examples import Example
from data.tasks.task import Task
from system import files
from system.errors import UserError

# Characters that would break a row, and the backslash that escapes them.
_ESCAPES = {'\\': r'\\', '\t': r'\t', '\n': r'\n', '\r': r'\r'}
_UNESCAPES = {escape: text for text, escape in _ESCAPES.items()}
# Enough for all lines of an evaluation, and for a part of a prediction.
_START_BYTES = 1 << 16


def check_eval_results(output_dir: str) -> None:
  """As `check_replaceable`, for a job that writes `eval_results.txt` alone."""
  _check_replaceable(os.path.join(output_dir, 'eval_results.txt'))


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
    UserError: a file of the same name does not look like a result; it is named.
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
      _check_replaceable(os.path.join(output_dir, name))


def _scored(job: str) -> list[str]:
  """Returns the names of the files that scoring writes."""
  return [
    *[f'{job}.tf_record', f'{job}.tf_record.index.json', f'{job}_speed.json']
  ]


def write_eval_results(
  output_dir: str,
  checkpoint: str,
  scores: Mapping[str, float],
  suffix: str = '',
) -> None:
  """Logs the scores and writes `eval_results.txt`.

  Args:
    output_dir: the folder.
    checkpoint: the evaluated checkpoint's prefix; its step is recorded, or 0 if
      the prefix does not end with one.
    scores: name → value.
    suffix: of the file's name: '' or '_mismatched'.

  Raises:
    UserError: another program wrote the existing file, which stays.
  """
  step = checkpoint.rpartition('-')[2]
  values = {'global_step': int(step) if step.isdigit() else 0, **scores}
  lines = [f'{name} = {values[name]}' for name in sorted(values)]
  logging.info(
    'Eval results of %s%s', checkpoint, suffix and f' ({suffix[1:]})'
  )
  for line in lines:
    logging.info('  %s', line)
  path = os.path.join(output_dir, f'eval_results{suffix}.txt')
  _check_replaceable(path)
  files.write_text(path, ''.join(line + '\n' for line in lines))


def _check_replaceable(path: str) -> None:
  """Raises a `UserError` if a file exists, is not empty, and is no result.

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
  return _is_header(_start(path).split('\n')[0].split('\t'))


def _begins_with(text: str) -> Callable[[str], bool]:
  return lambda path: _start(path).startswith(text)


def _is_header(columns: Sequence[str]) -> bool:
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


def write_test_results(
  output_dir: str, predictions: np.ndarray, suffix: str = ''
) -> None:
  """Writes `test_results.tsv`: one line per example, no header.

  Args:
    output_dir: the folder.
    predictions: [N, C], each class's probability, in the order of the task's
      labels; for regression [N, 1], the predicted numbers.
    suffix: of the file's name: '' or '_mismatched'.
  """
  lines = ['\t'.join(map(str, row)) + '\n' for row in predictions.tolist()]
  path = os.path.join(output_dir, f'test_results{suffix}.tsv')
  _check_replaceable(path)
  files.write_text(path, ''.join(lines))


def write_predictions(
  path: str,
  task: Task,
  examples: Sequence[Example],
  decisions: np.ndarray,
  probabilities: np.ndarray,
) -> None:
  """Writes `predictions.tsv`: a header, then one line per example.

  The columns are `example_id`; `label`, the true one, if all examples have one;
  `prediction`, a label or a number; and `probability_<label>` for each label.
  Numbers have all digits that reading them back exactly needs. Nothing is
  quoted; backslash, tab, line feed and carriage return in an id or a label are
  written as `\\\\`, `\\t`, `\\n`, `\\r`.

  Args:
    path: the file.
    task: the task.
    examples: N examples.
    decisions: [N], label ids or numbers, as `scoring.decide` returns them.
    probabilities: float32 [N, C]; not written for regression.
  """
  is_labelled = all(example.label is not None for example in examples)
  header = ['example_id', *['label'] * is_labelled, 'prediction']
  rows = [header + [f'probability_{label}' for label in task.labels]]
  for example, decision, values in zip(
    examples, decisions.tolist(), probabilities.tolist(), strict=True
  ):
    rows.append(
      [
        example.example_id,
        *[example.label] * is_labelled,
        task.labels[decision] if task.labels else repr(decision),
        *(map(repr, values) if task.labels else []),
      ]
    )
  write_table(path, rows)
  logging.info('Wrote %d predictions to %s', len(examples), path)


def read_predictions(path: str) -> list[dict[str, str]]:
  """Reads the rows that `write_predictions` wrote, as column name → value.

  Raises:
    UserError: the file is missing, or is not a predictions.tsv.
  """
  header, *rows = read_table(path)
  if not _is_header(header):
    raise UserError(
      f'{path} has no header with example_id and prediction: is it the '
      'predictions.tsv of a run with `do_predict`?'
    )
  return [dict(zip(header, row, strict=True)) for row in rows]


def write_table(path: str, rows: Iterable[Sequence[str]]) -> None:
  """Writes a header and rows, whose texts are escaped.

  Raises:
    UserError: another program wrote the existing file, which stays.
  """
  _check_replaceable(path)
  lines = ['\t'.join(map(_escape, row)) + '\n' for row in rows]
  files.write_text(path, ''.join(lines))


def read_table(path: str) -> list[list[str]]:
  """Reads the rows that `write_table` wrote, the header first.

  The header of an empty file is empty.

  Raises:
    UserError: the file is missing, or a row is shorter or longer than the
      header.
  """
  lines = files.read_text(path).split('\n')
  rows = [list(map(_unescape, line.split('\t'))) for line in lines[:-1]]
  for number, row in enumerate(rows, 1):
    if len(row) != len(rows[0]):
      raise UserError(
        f'{path}, line {number}: found {len(row)} columns, expected '
        f'{len(rows[0])}'
      )
  return rows or [['']]


def _escape(text: str) -> str:
  return re.sub(r'[\\\t\n\r]', lambda match: _ESCAPES[match[0]], text)


def _unescape(text: str) -> str:
  return re.sub(r'\\[\\tnr]', lambda match: _UNESCAPES[match[0]], text)


def write_speed(
  output_dir: str, name: str, examples_per_second: float | None
) -> None:
  """Logs the scoring rate and writes it to `<name>_speed.json`.

  A rate that is unknown, as that of a single batch, is null in the file.
  """
  rate = examples_per_second
  if rate is not None:
    logging.info('Scored %.0f examples/s', rate)
  files.write_json(
    os.path.join(output_dir, f'{name}_speed.json'),
    {'examples_per_second': rate and round(rate, 1)},
  )
