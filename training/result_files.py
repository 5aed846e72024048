"""The files of results.

eval_results.txt  a `key = value` a line, as google-research/bert writes it
test_results.tsv  an example's probabilities a line, as it writes them
predictions.tsv   the same with a header, ids, labels and names; see
                  `write_predictions`

Of MNLI's mismatched splits they are eval_results_mismatched.txt,
test_results_mismatched.tsv and predictions_mismatched.tsv, beside those of the
matched ones.
"""

import os
import re
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from data.tasks.examples import Example
from data.tasks.task import Task
from system import files
from system.errors import UserError

# What would break a row; the backslash, so that it can be told apart.
_ESCAPES = {'\\': r'\\', '\t': r'\t', '\n': r'\n', '\r': r'\r'}
_UNESCAPES = {escape: text for text, escape in _ESCAPES.items()}


def write_eval_results(
  output_dir: str,
  checkpoint: str,
  scores: Mapping[str, float],
  suffix: str = '',
) -> None:
  """Prints the scores and writes `eval_results.txt`, a `key = value` a line.

  Args:
    output_dir: the folder.
    checkpoint: the prefix of what was evaluated; its step is recorded.
    scores: name → value.
    suffix: of the file's name: '' or '_mismatched'.
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
  files.write_text(path, ''.join(line + '\n' for line in lines))


def write_test_results(
  output_dir: str, predictions: np.ndarray, suffix: str = ''
) -> None:
  """Writes `test_results.tsv`: a line an example, no header.

  Args:
    output_dir: the folder.
    predictions: [N, C], each class's probability, in the order of the task's
      labels; [N, 1] predicted numbers for regression.
    suffix: of the file's name: '' or '_mismatched'.
  """
  lines = ['\t'.join(map(str, row)) + '\n' for row in predictions.tolist()]
  path = os.path.join(output_dir, f'test_results{suffix}.tsv')
  files.write_text(path, ''.join(lines))


def write_predictions(
  path: str,
  task: Task,
  examples: Sequence[Example],
  decisions: np.ndarray,
  probabilities: np.ndarray,
) -> None:
  """Writes `predictions.tsv`: a header, then an example a line.

  The columns: `example_id`, the file's own; `label`, the file's, where the
  examples have labels; `prediction`, a label or a number; for each label
  `probability_<label>`. Numbers are written so that they are read back
  exactly. Nothing is quoted; backslash, tab, line feed and carriage return in
  an id or a label stand as `\\\\`, `\\t`, `\\n`, `\\r`.

  Args:
    path: the file.
    task: the task.
    examples: N.
    decisions: [N], label ids or numbers, as `classification.decide`.
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
  lines = ['\t'.join(map(_escape, row)) + '\n' for row in rows]
  files.write_text(path, ''.join(lines))
  logging.info('Wrote %d predictions to %s', len(examples), path)


def read_predictions(path: str) -> list[dict[str, str]]:
  """Reads what `write_predictions` wrote: each row by its columns' names.

  Raises:
    UserError: the file is missing, or is no such file.
  """
  lines = files.read_text(path).split('\n')
  rows = [list(map(_unescape, line.split('\t'))) for line in lines[:-1]]
  if not rows or rows[0][0] != 'example_id' or 'prediction' not in rows[0]:
    raise UserError(
      f'{path} has no header with example_id and prediction: is it the '
      'predictions.tsv of a run with --do_predict?'
    )
  for number, row in enumerate(rows, 1):
    if len(row) != len(rows[0]):
      raise UserError(
        f'{path}, line {number}: found {len(row)} columns, expected '
        f'{len(rows[0])}'
      )
  return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def _escape(text: str) -> str:
  return re.sub(r'[\\\t\n\r]', lambda match: _ESCAPES[match[0]], text)


def _unescape(text: str) -> str:
  return re.sub(r'\\[\\tnr]', lambda match: _UNESCAPES[match[0]], text)


def write_speed(output_dir: str, name: str, examples_per_second: float) -> None:
  """Logs how fast examples were scored and writes `<name>_speed.json`."""
  logging.info('Scored %.0f examples/s', examples_per_second)
  files.write_json(
    os.path.join(output_dir, f'{name}_speed.json'),
    {'examples_per_second': round(examples_per_second, 1)},
  )
