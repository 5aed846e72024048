"""Tables of an experiment."""

import csv
import json

import pytest
import tiny_results
from tiny_results import FIGURE, PAPER, result

from tools.reporting import tables
from tools.reporting.grid import Place


def test_the_overview_has_a_column_for_each_line(tmp_path):
  found = tiny_results.arrange(tmp_path, paper=PAPER)
  assert tables.as_markdown(tables.overview(found)).splitlines() == [
    '| size   |               basic |      PD | paper | teacher | paper |',
    '| ------ | ------------------: | ------: | ----: | ------: | ----: |',
    '| 2/128  | 0.625 (0.500–0.750) |   0.625 | 0.700 |         |       |',
    '| 12/768 |               0.800 | missing | 0.850 |         |       |',
    '| any    |                     |         |       |   0.900 | 0.950 |',
  ]


def test_the_overview_may_be_turned(tmp_path):
  table = {'rows': ['method'], 'columns': 'size'}
  found = tiny_results.arrange(tmp_path, table=table)
  overview = tables.overview(found)
  assert overview.header == ['method', '2/128', '12/768', 'any']
  assert overview.rows == [
    ['basic', '0.625 (0.500–0.750)', '0.800', ''],
    ['PD', '0.625', 'missing', ''],
    ['teacher', '', '', '0.900'],
  ]


def test_the_details_have_a_row_for_each_cell(tmp_path):
  found = tiny_results.arrange(tmp_path, paper=PAPER)
  details = tables.details(found)
  assert details.header == [
    *['size', 'method', 'dev accuracy', 'lowest–highest', 'seeds', 'paper'],
    *['parameters', 'examples/s'],
  ]
  assert details.rows[0] == [
    *['2/128', 'basic', '0.625', '0.500–0.750', '2', ''],
    *['4,000,000', '1,002'],
  ]
  assert details.rows[3] == [
    *['12/768', 'PD', 'missing', '', '0', '0.850', '', '']
  ]
  assert details.rows[4][:2] == ['any', 'teacher']
  assert details.places == list(found.cells)


def test_scores_that_are_only_published_stand_in_the_overview(tmp_path):
  paper = [{'line': 'PD', 'x': '8/512', 'value': 0.7}]
  planned = [{'size': '4/256', 'method': 'PD'}]
  found = tiny_results.arrange(tmp_path, paper=paper, planned=planned)
  assert ['8/512', '', '', '0.700', ''] in tables.overview(found).rows
  details = tables.details(found)
  assert Place(None, '8/512', 'PD') not in details.places
  assert Place(None, '4/256', 'PD') in details.places
  assert len(details.rows) == len(details.places)


def test_a_single_line_needs_no_overview(tmp_path):
  runs = [result(0.5, method='PD', seed=1)]
  figure = {'x': 'method', 'metric': 'accuracy', 'x_order': ['basic', 'PD']}
  found = tiny_results.arrange(tmp_path, runs, figure=figure)
  assert tables.overview(found) is None
  assert tables.details(found).rows == [
    ['basic', 'missing', '0', '', ''],
    ['PD', '0.500', '1', '4,000,000', '1,001'],
  ]
  assert tables.missing_text(found) == 'Missing, no result yet: basic.'


def test_missing_cells_are_named(tmp_path):
  figure = FIGURE | {'line_order': ['PF']}
  found = tiny_results.arrange(tmp_path, figure=figure)
  assert tables.missing_text(found) == (
    'Missing, no result yet: PF (no run at all); 12/768, PD.'
  )
  runs = [result(0.5, method='PD', size='2/128', seed=1)]
  complete = tiny_results.arrange(
    tmp_path / 'b', runs, figure=figure | {'line_order': []}
  )
  assert tables.missing_text(complete) == ''


def test_a_named_x_shows_its_name(tmp_path):
  runs = [result(0.5, similarity=0.5, domain='a|b', method='PD', seed=1)]
  figure = FIGURE | {'x': 'similarity', 'x_names': 'domain', 'line_order': []}
  found = tiny_results.arrange(tmp_path, runs, figure=figure)
  assert tables.details(found).rows[0][:2] == ['0.5, a|b', 'PD']
  assert '| 0.5, a\\|b  | PD  ' in tables.as_markdown(tables.details(found))


@pytest.mark.parametrize(
  ('seconds', 'text'),
  [
    (None, ''),
    (0.04, '0.0 s'),
    (59.94, '59.9 s'),
    (59.97, '1 min 0 s'),
    (312.4, '5 min 12 s'),
    (3599.6, '1 h 00 min'),
    (7500.0, '2 h 05 min'),
  ],
)
def test_durations(seconds, text):
  assert tables.duration_text(seconds) == text


def test_the_csv_has_confusion_matrices_if_there_is_one(tmp_path):
  confusion = {'labels': ['a', 'b'], 'counts': [[1, 0], [2, 3]]}
  run = tiny_results.RESULTS[0] | {'confusion': confusion}
  results = [run, *tiny_results.RESULTS[1:]]
  found = tiny_results.arrange(tmp_path, results)
  text = tables.runs_csv(found.experiment.results)
  cells = [row['confusion'] for row in csv.DictReader(text.splitlines())]
  assert sorted(filter(None, cells)) == [json.dumps(confusion)]
  found = tiny_results.arrange(tmp_path / 'without')
  assert 'confusion' not in tables.runs_csv(found.experiment.results)


def test_the_seed_is_the_last_key_of_the_csv(tmp_path):
  runs = [result(0.5, seed=1, method='PD', size='2/128', rate=0.1)]
  found = tiny_results.arrange(tmp_path, runs)
  header = tables.runs_csv(found.experiment.results).split('\n')[0]
  assert header.split(',')[:5] == ['method', 'size', 'rate', 'seed', 'split']


def test_the_csv_has_every_run(tmp_path):
  run = result(0.5, seed=1, method='a "b", c') | {
    'command': ['run.py', '--x=a b'],
    'versions': {'tensorflow': '2.20.0'},
  }
  found = tiny_results.arrange(tmp_path, [*tiny_results.RESULTS, run])
  text = tables.runs_csv(found.experiment.results)
  rows = list(csv.DictReader(text.splitlines()))
  assert len(rows) == 6
  (row,) = (row for row in rows if row['command'])
  assert list(row)[-10:-7] == ['loss', 'parameters', 'examples_per_second']
  assert (row['method'], row['size'], row['seed']) == ('a "b", c', '', '1')
  assert (row['accuracy'], row['loss'], row['split']) == ('0.5', '0.25', 'dev')
  assert row['command'] == "run.py '--x=a b'"
  assert row['versions'] == '{"tensorflow": "2.20.0"}'
  assert row['hardware'] == row['seconds'] == ''
