"""The report as a whole. Its parts have tests in tests/tools/reporting."""

import csv
import json
import pathlib
import subprocess
import sys

import pytest
import tiny_results

from system.errors import UserError
from tools import report, run_result

_ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_script_writes_the_report_of_each_experiment(tmp_path):
  for name in ('sizes', 'tasks'):
    tiny_results.write(tmp_path / 'results' / name)
  output = tmp_path / 'report'
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'tools.report'],
      *[f'--results_dir={tmp_path}/results', f'--output_dir={output}'],
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  assert sorted(path.name for path in output.iterdir()) == [
    *['README.md', 'index.html'],
    *['sizes.csv', 'sizes.md', 'sizes.png', 'sizes.svg'],
    *['tasks.csv', 'tasks.md', 'tasks.png', 'tasks.svg'],
  ]
  assert (output / 'sizes.md').read_text() in done.stdout
  assert (output / 'sizes.png').read_bytes().startswith(b'\x89PNG')
  assert 'Missing, no result yet: 12/768, PD.' in done.stdout


def test_nothing_is_written_if_an_experiment_is_malformed(tmp_path):
  tiny_results.write(tmp_path / 'results' / 'a')
  broken = tiny_results.write(tmp_path / 'results' / 'b')
  (broken / 'experiment.json').write_text(json.dumps({'title': 'a'}))
  with pytest.raises(UserError, match='b/experiment.json: command is missing'):
    report.write(str(tmp_path / 'results'), str(tmp_path / 'report'))
  assert not (tmp_path / 'report').exists()


@pytest.mark.parametrize('name', ['quickstart', 'sst2'])
def test_the_published_reports_are_those_of_their_results(tmp_path, name):
  published = _ROOT / 'recipes' / 'results' / name
  report.write(str(published), str(tmp_path))
  # Figures, which the page includes, depend on Matplotlib's version.
  names = [x.name for x in tmp_path.iterdir() if x.suffix in ('.md', '.csv')]
  assert 'README.md' in names and len(names) > 1
  for name in names:
    assert (tmp_path / name).read_text() == (published / name).read_text()


_PAPER = _ROOT / 'recipes' / 'results' / 'paper' / 'cpu'


@pytest.mark.parametrize(
  'table', sorted((_PAPER / 'report').glob('*.csv')), ids=lambda path: path.stem
)
def test_the_papers_report_has_the_scores_of_kept_runs(table):
  """The plan that arranges these runs needs the data; their scores do not."""
  # Not settings.json, which a recipe writes.
  kept = map(run_result.read, map(str, (_PAPER / 'runs').glob('*_seed*.json')))
  # Equal trainings give equal weights, which may have other dev sets.
  scores = {
    (run['checkpoint'], str(run['scores']['loss'])): run['scores'].values()
    for run in kept
  }
  rows = list(csv.DictReader(table.read_text().splitlines()))
  for row in rows:
    # The score is the main one of the task, under a name that all tasks share.
    found = scores[row['checkpoint'], row['loss']]
    assert row['score'] in map(str, found)
  assert len({row['checkpoint'] for row in rows}) == len(rows) > 0
