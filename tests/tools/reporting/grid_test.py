"""Results, sorted into cells."""

import pytest
import tiny_results
from tiny_results import FIGURE, PAPER, RESULTS, result

from system.errors import UserError
from tools.reporting import grid, tables
from tools.reporting.grid import Place


def test_runs_of_several_seeds_share_a_cell(tmp_path):
  cell = tiny_results.arrange(tmp_path).cells[Place(None, '2/128', 'basic')]
  assert cell.values == (0.5, 0.75)
  assert cell.mean == 0.625
  assert cell.parameters == 4_000_000
  assert cell.examples_per_second == 1001.5
  assert cell.seconds is None


def test_the_runs_of_a_cell_are_in_the_order_of_their_seeds(tmp_path):
  # The names of the files are in another one.
  runs = [
    result(seed / 100, size='2/128', method='PD', seed=seed)
    for seed in (10, 9, 100)
  ]
  cell = tiny_results.arrange(tmp_path, runs).cells[Place(None, '2/128', 'PD')]
  assert cell.values == (0.09, 0.1, 1.0)


def test_the_time_is_the_median_of_what_was_recorded(tmp_path):
  times = [3.0, None, 5.0, 100.0]
  runs = [
    result(0.5, size='2/128', method='PD', seed=i) | {'seconds': seconds}
    for i, seconds in enumerate(times)
  ]
  cell = tiny_results.arrange(tmp_path, runs).cells[Place(None, '2/128', 'PD')]
  assert cell.seconds == 5.0


def test_cells_come_in_the_order_of_the_report(tmp_path):
  found = tiny_results.arrange(tmp_path)
  # Sizes are in the order of their numbers, not of their characters.
  assert list(found.cells) == [
    Place(None, '2/128', 'basic'),
    Place(None, '2/128', 'PD'),
    Place(None, '12/768', 'basic'),
    Place(None, '12/768', 'PD'),
    Place(None, None, 'teacher'),
  ]
  assert found.splits == ('dev',)


def test_expected_and_published_values_without_results_are_missing(tmp_path):
  figure = FIGURE | {'x_order': ['4/256', '2/128']}
  paper = [{'line': 'PD', 'x': '8/512', 'value': 0.7}]
  found = tiny_results.arrange(tmp_path, figure=figure, paper=paper)
  assert found.xs == ('4/256', '2/128', '8/512', '12/768')
  assert [cell.place[1:] for cell in found.missing] == [
    ('4/256', 'basic'),
    ('4/256', 'PD'),
    ('8/512', 'basic'),
    ('8/512', 'PD'),
    ('12/768', 'PD'),
  ]


def test_only_what_is_planned_is_missing(tmp_path):
  paper = [{'line': 'PD', 'x': '8/512', 'value': 0.7}]
  planned = [{'size': '4/256', 'method': 'PD'}]
  found = tiny_results.arrange(tmp_path, paper=paper, planned=planned)
  assert [cell.place[1:] for cell in found.missing] == [('4/256', 'PD')]
  published = found.cells[Place(None, '8/512', 'PD')]
  assert (published.paper, published.is_missing) == (0.7, False)
  assert tables.score_text(published) == ''
  # No result, no plan and no published score: no cell.
  assert Place(None, '12/768', 'PD') not in found.cells


def test_published_scores_stand_beside_ours(tmp_path):
  found = tiny_results.arrange(tmp_path, paper=PAPER)
  assert found.has_paper
  assert found.cells[Place(None, '2/128', 'PD')].paper == 0.7
  assert found.cells[Place(None, '2/128', 'basic')].paper is None
  assert found.cells[Place(None, None, 'teacher')].paper == 0.95
  assert not tiny_results.arrange(tmp_path).has_paper


def test_panels_and_lines_are_optional(tmp_path):
  runs = [result(0.5, method=m, task='RTE', seed=1) for m in ('PD', 'basic')]
  figure = {'x': 'method', 'metric': 'accuracy', 'panel': 'task'}
  found = tiny_results.arrange(tmp_path, runs, figure=figure)
  assert found.lines == (None,)
  assert list(found.cells) == [
    Place('RTE', 'PD', None),
    Place('RTE', 'basic', None),
  ]


def test_numbers_are_sorted_as_numbers(tmp_path):
  runs = [
    result(0.5, n=n, method='PD', seed=1) for n in (20_000, -0.5, 3, 1e-3)
  ]
  figure = FIGURE | {'x': 'n', 'x_scale': 'linear', 'line_order': []}
  found = tiny_results.arrange(tmp_path, runs, figure=figure)
  assert found.xs == (-0.5, 1e-3, 3, 20_000)


def test_an_x_may_have_a_name(tmp_path):
  runs = [
    result(0.5, similarity=s, domain=d, method='PD', seed=1)
    for s, d in ((0.5, 'news'), (0.75, 'books'))
  ]
  figure = FIGURE | {'x': 'similarity', 'x_names': 'domain', 'line_order': []}
  found = tiny_results.arrange(tmp_path, runs, figure=figure)
  assert found.names == {0.5: 'news', 0.75: 'books'}
  assert tiny_results.arrange(tmp_path / 'b').names == {}


def test_runs_without_the_score_are_named(tmp_path):
  (tmp_path / 'a').mkdir()
  runs = [*RESULTS[1:], result(None, method='basic', size='2/128', seed=1)]
  found = tiny_results.arrange(tmp_path / 'a', runs)
  assert found.cells[Place(None, '2/128', 'basic')].values == (0.75,)
  assert found.omitted == ('method basic, size 2/128, seed 1 has no accuracy',)
  with pytest.raises(UserError, match='no .* score f1; the first has accuracy'):
    tiny_results.arrange(tmp_path, figure=FIGURE | {'metric': 'f1'})


def test_an_experiment_may_have_no_results_yet(tmp_path):
  found = tiny_results.arrange(tmp_path, [], paper=PAPER)
  assert len(found.missing) == len(found.cells) == 5
  found = tiny_results.arrange(tmp_path, [])
  assert [cell.place.line for cell in found.missing] == FIGURE['line_order']


@pytest.mark.parametrize(
  ('run', 'figure', 'message'),
  [
    (result(0.5, size='2/128', seed=1), {}, 'size 2/128, seed 1 has no method'),
    (
      result(0.5, method='PD', size='2/128', seed=1, domain='books'),
      {},
      'same place and seed: .*domain books; .*seed 1',
    ),
    (
      result(0.5, method='PD', size='2/128', seed=2) | {'parameters': 5},
      {},
      'of 2/128, PD have different sizes: 5, 4,000,000 parameters',
    ),
    (
      result(0.5, method='PD', size='2/128', seed=2, rate=0.001),
      {},
      'of 2/128, PD differ in rate, .*: None, 0.001. Runs of one place',
    ),
    (
      result(0.5, method='PD', size='2/128', seed=2) | {'split': 'test'},
      {},
      'of 2/128, PD are of different splits: dev, test',
    ),
    (RESULTS[0], {'x_scale': 'linear'}, "'2/128' does not fit x_scale linear"),
    (
      RESULTS[0],
      {'x': 'seed', 'x_scale': 'log', 'x_order': [0]},
      'seed 0 does not fit x_scale log',
    ),
  ],
)
def test_results_that_do_not_fit_are_refused(tmp_path, run, figure, message):
  runs = [*RESULTS[2:], run]
  with pytest.raises(UserError, match=f'sizes: .*{message}'):
    tiny_results.arrange(tmp_path, runs, figure=FIGURE | figure)


def test_values_as_text():
  assert grid.value_text(20_000) == '20,000'
  assert grid.value_text(0.5) == '0.5'
  assert grid.value_text('2/128') == '2/128'
  assert grid.value_text(None) == 'any'
