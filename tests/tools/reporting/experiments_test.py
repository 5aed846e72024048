"""Experiments as experiment.json describes them."""

import pytest
import tiny_results

from system.errors import UserError
from tools.reporting import experiments
from tools.reporting.experiments import PaperScore

FIGURE = tiny_results.FIGURE


def test_an_experiment_is_read_with_defaults(tmp_path):
  folder = tiny_results.write(tmp_path / 'sizes', paper=tiny_results.PAPER)
  found = experiments.read(str(folder))
  assert found.name == 'sizes'
  assert found.title == 'Sizes & methods'
  assert (found.figure.x, found.figure.line) == ('size', 'method')
  assert found.figure.line_order == ('basic', 'PD', 'teacher')
  assert found.figure.x_scale == 'category'
  assert (found.rows, found.columns) == (('size',), 'method')
  assert found.paper[0] == PaperScore(0.7, x='2/128', line='PD')
  assert found.paper[2] == PaperScore(0.95, x=None, line='teacher')
  assert (found.paper_source, found.notes) == ('', ())
  assert len(found.results) == 5


def test_the_table_may_have_other_rows(tmp_path):
  table = {'rows': ['method'], 'columns': 'size'}
  folder = tiny_results.write(tmp_path / 'sizes', table=table)
  found = experiments.read(str(folder))
  assert (found.rows, found.columns) == (('method',), 'size')


def test_panels_are_rows_by_default(tmp_path):
  figure = FIGURE | {'panel': 'task'}
  folder = tiny_results.write(tmp_path / 'sizes', [], figure=figure)
  assert experiments.read(str(folder)).rows == ('task', 'size')


def test_all_experiments_are_found(tmp_path):
  for name in ('b', 'a'):
    tiny_results.write(tmp_path / name)
  (tmp_path / 'c').mkdir()
  found = experiments.read_all(str(tmp_path))
  assert [each.name for each in found] == ['a', 'b']
  assert experiments.read_all(str(tmp_path / 'b'))[0].name == 'b'


def test_a_folder_without_experiments_is_refused(tmp_path):
  with pytest.raises(UserError, match='--results_dir: no experiment.json in'):
    experiments.read_all(str(tmp_path))


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({'title': ''}, "title must be text, got ''"),
    ({'titel': 'a'}, 'titel is unknown; expected command, figure, notes'),
    ({'figure': []}, 'figure: expected a JSON object'),
    ({'figure': {'x': 'size'}}, 'figure: metric is missing'),
    ({'figure': FIGURE | {'y': 'loss'}}, 'figure: y is unknown'),
    ({'figure': FIGURE | {'x_scale': 'root'}}, "x_scale must be .*'root'"),
    ({'figure': FIGURE | {'x_order': 'a'}}, 'figure.x_order must list'),
    ({'figure': FIGURE | {'x_order': [True]}}, 'figure.x_order must list'),
    ({'figure': FIGURE | {'connect': 1}}, 'connect must be true or false'),
    ({'figure': FIGURE | {'panel': 'size'}}, 'must be three keys, got size'),
    ({'figure': FIGURE | {'x': 3}}, 'x must be text, got 3'),
    ({'table': {'rows': ['size']}}, 'table: columns is missing'),
    ({'table': {'rows': ['a'], 'columns': 'size'}}, "the figure's keys"),
    ({'paper': {}}, 'paper must be a list'),
    ({'paper': [{'line': 'PD'}]}, 'paper: value is missing'),
    ({'paper': [{'line': 'PD', 'value': '1'}]}, "be a number, got '1'"),
    ({'paper': [{'value': 0.5}]}, 'paper must name line as figure does'),
    (
      {'paper': [{'line': 'PD', 'panel': 'a', 'value': 0.5}]},
      'paper must name panel as figure does',
    ),
    ({'notes': 'a'}, 'notes must list texts'),
  ],
)
def test_a_malformed_experiment_is_refused(tmp_path, content, message):
  folder = tiny_results.write(tmp_path / 'sizes', [], **content)
  with pytest.raises(UserError, match=f'experiment.json: .*{message}'):
    experiments.read(str(folder))


def test_a_list_is_no_experiment(tmp_path):
  (tmp_path / 'experiment.json').write_text('[]')
  with pytest.raises(UserError, match='experiment.json: expected a JSON'):
    experiments.read(str(tmp_path))
