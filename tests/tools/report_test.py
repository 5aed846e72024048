"""The table, the plot and the JSON file of a recipe's results."""

import json
import subprocess
import sys

import pytest

from system.errors import UserError
from tools import report
from tools.report import METHODS


def _result(method, seed, accuracy, parameters=1000, speed=10.0):
  return {
    'method': method,
    'seed': seed,
    'accuracy': accuracy,
    'parameters': parameters,
    'examples_per_second': speed,
  }


def _write(folder, *results):
  for result in results:
    path = folder / f'{result["method"]}-seed{result["seed"]}.json'
    path.write_text(json.dumps(result))


def test_summarise_takes_medians_in_the_order_of_methods():
  rows = report.summarise(
    [
      _result('teacher', 1, 0.9),
      _result('PD', 3, 0.6, speed=30.0),
      _result('PD', 1, 0.5, speed=10.0),
      _result('PD', 2, 0.8, speed=11.0),
    ]
  )
  assert [row.method for row in rows] == ['PD', 'teacher']
  assert rows[0].seeds == (1, 2, 3)
  assert rows[0].accuracies == (0.5, 0.8, 0.6)
  assert (rows[0].median, rows[0].examples_per_second) == (0.6, 11.0)


def test_markdown_is_aligned_and_names_missing_methods():
  rows = report.summarise(
    [
      _result('bag-of-words', 1, 0.25, parameters=25576, speed=33757.9),
      _result('PF', 1, 0.5),
      _result('PF', 2, 0.75),
    ]
  )
  assert report.as_markdown(rows, 'test').splitlines() == [
    '| method       | test accuracy | lowest–highest | seeds '
    '| parameters | examples/s |',
    '| ------------ | ------------: | -------------: | ----: '
    '| ---------: | ---------: |',
    '| bag-of-words |         0.250 |                |     1 '
    '|     25,576 |     33,758 |',
    '| PF           |         0.625 |    0.500–0.750 |     2 '
    '|      1,000 |         10 |',
    '',
    'Missing, no result yet: basic, distillation, PD, teacher.',
  ]


def test_complete_results_have_no_missing_methods():
  rows = report.summarise([_result(m, 1, 0.5) for m in METHODS])
  assert 'Missing' not in report.as_markdown(rows, 'test')


def test_json_has_every_seed():
  rows = report.summarise([_result('PF', 1, 0.5), _result('PF', 2, 0.75)])
  saved = json.loads(report.as_json(rows))
  assert saved['rows'] == [
    {
      'method': 'PF',
      'seeds': [1, 2],
      'accuracies': [0.5, 0.75],
      'parameters': 1000,
      'examples_per_second': 10.0,
      'median_accuracy': 0.625,
      'lowest_accuracy': 0.5,
      'highest_accuracy': 0.75,
    }
  ]
  assert saved['missing'] == [
    'bag-of-words',
    'basic',
    'distillation',
    'PD',
    'teacher',
  ]


def test_models_of_different_sizes_are_rejected():
  with pytest.raises(UserError, match='PF .*sizes: 1,000, 2,000 parameters'):
    report.summarise(
      [_result('PF', 1, 0.5), _result('PF', 2, 0.5, parameters=2000)]
    )


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('{', 'cannot read'),
    ('[1]', 'expected an object whose method is one of bag-of-words'),
    (json.dumps(_result('PDF', 1, 0.5)), 'whose method is one of'),
    (json.dumps(_result('PF', 1, None)), 'accuracy must be a number'),
    (json.dumps(_result('PF', 1, 61.5)), r'must be in \[0, 1\], got 61.5'),
    (json.dumps({'method': 'PF'}), 'seed must be a number, got None'),
  ],
)
def test_malformed_results_are_named(tmp_path, text, message):
  (tmp_path / 'PF-seed1.json').write_text(text)
  with pytest.raises(UserError, match=f'PF-seed1.json: .*{message}|{message}'):
    report.read_results(tmp_path)


def test_a_repeated_seed_is_rejected(tmp_path):
  _write(tmp_path, _result('PF', 1, 0.5))
  (tmp_path / 'again-seed1.json').write_text(json.dumps(_result('PF', 1, 0.5)))
  with pytest.raises(UserError, match='a second result of PF, seed 1'):
    report.read_results(tmp_path)


def test_an_empty_folder_is_rejected(tmp_path):
  with pytest.raises(UserError, match='no <method>-seed<k>.json'):
    report.read_results(tmp_path)


def test_script_writes_table_numbers_and_plot(tmp_path):
  pytest.importorskip('matplotlib')
  results = tmp_path / 'results'
  results.mkdir()
  _write(results, _result('basic', 1, 0.3), _result('basic', 2, 0.35))
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'tools.report'],
      *[f'--results_dir={results}', f'--output_dir={tmp_path}'],
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.startswith((tmp_path / 'report.md').read_text())
  assert (tmp_path / 'report.png').read_bytes().startswith(b'\x89PNG')
  assert json.loads((tmp_path / 'report.json').read_text())['rows']
