"""Writes and reads the result files of evaluation and prediction.

eval_results.txt    one `key = value` per line, as in google-research/bert
eval_classes.tsv    the scores of each label, and
eval_confusion.tsv  the confusion matrix; see `training.class_scores`
test_results.tsv    one example's probabilities per line, as in
                    google-research/bert
predictions.tsv     the same with a header, ids, labels and their names; see
                    `write_predictions`
<job>.tf_record     the examples that are evaluated or predicted
<job>_speed.json    the scoring rate, null if unknown; of an evaluation also
                    its split

MNLI's mismatched splits have separate files, such as
eval_results_mismatched.txt.

Each job replaces its earlier results, but no file of another program (see
`training.result_file_check`).
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from absl import logging

from data.tasks.examples import Example
from data.tasks.task import Task
from system import files
from system.errors import UserError, shown
from training import result_file_check

# Characters that would break a row, and the backslash that escapes them.
_ESCAPES = {'\\': r'\\', '\t': r'\t', '\n': r'\n', '\r': r'\r'}
_UNESCAPES = {escape: text for text, escape in _ESCAPES.items()}


def write_eval_results(
  output_dir: str,
  model: str,
  step: int,
  scores: Mapping[str, float],
  suffix: str = '',
) -> None:
  """Logs the scores and writes `eval_results.txt`.

  Args:
    output_dir: the folder.
    model: the evaluated checkpoint's prefix, or another name, for the log.
    step: the checkpoint's training step, or 0.
    scores: name → value.
    suffix: of the file's name: '' or '_mismatched'.

  Raises:
    UserError: another program wrote the existing file, which stays.
  """
  values = {'global_step': step, **scores}
  lines = [f'{name} = {values[name]}' for name in sorted(values)]
  logging.info('Eval results of %s%s', model, suffix and f' ({suffix[1:]})')
  for line in lines:
    logging.info('  %s', line)
  path = os.path.join(output_dir, f'eval_results{suffix}.txt')
  result_file_check.check_path(path)
  files.write_text(path, ''.join(line + '\n' for line in lines))


def read_eval_results(path: str) -> dict[str, float]:
  """Reads the scores of an evaluation, as any of the scripts wrote them.

  Returns:
    Name, without 'eval_' → value; `global_step` among them.

  Raises:
    UserError: a line has another form; it is shown.
  """
  values = {}
  for line in files.read_text(path).splitlines():
    name, _, value = line.partition(' = ')
    try:
      values[name.removeprefix('eval_')] = float(value)
    except ValueError:
      raise UserError(
        f'{path}: expected NAME = NUMBER, got {shown(line)}'
      ) from None
  return values


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
  result_file_check.check_path(path)
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
  if not result_file_check.is_predictions_header(header):
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
  result_file_check.check_path(path)
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
  output_dir: str,
  name: str,
  examples_per_second: float | None,
  split: str | None = None,
) -> None:
  """Logs the scoring rate and writes it to `<name>_speed.json`.

  A rate that is unknown, as that of a single batch, is null in the file. The
  file also names the split, if it is given.
  """
  rate = examples_per_second
  if rate is not None:
    logging.info('Scored %.0f examples/s', rate)
  files.write_json(
    os.path.join(output_dir, f'{name}_speed.json'),
    {
      'examples_per_second': rate and round(rate, 1),
      **({'split': split} if split else {}),
    },
  )
