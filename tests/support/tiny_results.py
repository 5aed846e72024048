"""Experiments and results of runs, small enough to be worked out by hand."""

import json
import pathlib

from tools import run_result
from tools.reporting import experiments, grid

FIGURE = {
  'x': 'size',
  'line': 'method',
  'metric': 'accuracy',
  'line_order': ['basic', 'PD', 'teacher'],
}
CONTENT = {
  'title': 'Sizes & methods',
  'question': 'Which is best?',
  'command': 'recipes/sizes.sh <DIR>',
  'figure': FIGURE,
}


def result(accuracy: float | None, **keys) -> dict:
  """Returns a result of a run with these keys."""
  return {
    'keys': keys,
    'scores': {'accuracy': accuracy, 'loss': 0.25},
    'split': 'dev',
    'parameters': 4_000_000,
    'examples_per_second': 1000.0 + keys.get('seed', 0),
  }


# Two sizes, of which the larger lacks PD; a teacher without a size.
RESULTS = [
  result(0.5, method='basic', size='2/128', seed=1),
  result(0.75, method='basic', size='2/128', seed=2),
  result(0.625, method='PD', size='2/128', seed=1),
  result(0.8, method='basic', size='12/768', seed=1),
  result(0.9, method='teacher', seed=1),
]
PAPER = [
  {'line': 'PD', 'x': '2/128', 'value': 0.7},
  {'line': 'PD', 'x': '12/768', 'value': 0.85},
  {'line': 'teacher', 'value': 0.95},
]


def write(
  folder: pathlib.Path, results: list[dict] = RESULTS, **content
) -> pathlib.Path:
  """Writes an experiment; `content` changes its experiment.json."""
  for each in results:
    name = run_result.file_name(each['keys'])
    run_result.write(str(folder), name, each)
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / run_result.EXPERIMENT_FILE
  path.write_text(json.dumps(CONTENT | content))
  return folder


def arrange(
  folder: pathlib.Path, results: list[dict] = RESULTS, **content
) -> grid.Grid:
  """As `write`; returns the results, arranged."""
  written = write(folder / 'sizes', results, **content)
  return grid.arrange(experiments.read(str(written)))
