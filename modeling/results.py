"""The files of results, named and laid out as google-research/bert's."""

import os
from collections.abc import Mapping

import numpy as np
from absl import logging

from data import files


def write_eval_results(
  output_dir: str, checkpoint: str, scores: Mapping[str, float]
) -> None:
  """Prints the scores and writes `eval_results.txt`, a `key = value` a line.

  Args:
    output_dir: the folder.
    checkpoint: the prefix of what was evaluated; its step is recorded.
    scores: name → value.
  """
  step = checkpoint.rpartition('-')[2]
  values = {'global_step': int(step) if step.isdigit() else 0, **scores}
  lines = [f'{name} = {values[name]}' for name in sorted(values)]
  logging.info('Eval results of %s', checkpoint)
  for line in lines:
    logging.info('  %s', line)
  path = os.path.join(output_dir, 'eval_results.txt')
  files.write_text(path, ''.join(line + '\n' for line in lines))


def write_test_results(output_dir: str, predictions: np.ndarray) -> None:
  """Writes `test_results.tsv`: a line an example, no header.

  Args:
    output_dir: the folder.
    predictions: [N, C], each class's probability, in the order of the task's
      labels; [N, 1] predicted numbers for regression.
  """
  lines = ['\t'.join(map(str, row)) + '\n' for row in predictions.tolist()]
  path = os.path.join(output_dir, 'test_results.tsv')
  files.write_text(path, ''.join(lines))
  logging.info('Wrote %d predictions to %s', len(lines), path)


def write_speed(output_dir: str, name: str, examples_per_second: float) -> None:
  """Logs how fast examples were scored and writes `<name>_speed.json`."""
  logging.info('%.0f examples/s', examples_per_second)
  files.write_json(
    os.path.join(output_dir, f'{name}_speed.json'),
    {'examples_per_second': round(examples_per_second, 1)},
  )
