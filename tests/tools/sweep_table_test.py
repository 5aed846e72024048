"""The table of a sweep's results, and the scores that can order it."""

import os

import pytest

from system.errors import UserError
from tools import sweep_table
from training import class_scores


def _result(rate, seed, accuracy, loss):
  return {
    'keys': {'rate': rate, 'seed': seed},
    'scores': {'loss': loss, 'accuracy': accuracy},
  }


def test_the_best_mean_over_seeds_comes_first():
  results = [
    _result(1, 1, 0.8, 0.5),
    _result(1, 2, 0.6, 0.7),
    _result(2, 1, 0.9, 0.9),
  ]
  header, best, other = sweep_table.as_table(results, None)
  assert header == ['rate', 'accuracy', 'lowest', 'highest', 'seeds']
  assert best == ['2', '0.9000', '0.9000', '0.9000', '1']
  assert other == ['1', '0.7000', '0.6000', '0.8000', '2']
  assert sweep_table.as_table(results, 'loss')[1][0] == '1'
  with pytest.raises(UserError, match='--metric=f1: a run has .*accuracy'):
    sweep_table.as_table(results, 'f1')


def test_seeds_of_one_combination_form_a_row_in_any_order_of_keys():
  scores = {'accuracy': 0.5}
  results = [
    {'keys': {'rate': 1, 'size': 8, 'seed': 1}, 'scores': scores},
    {'keys': {'size': 8, 'rate': 1, 'seed': 2}, 'scores': scores},
  ]
  header, row = sweep_table.as_table(results, None)
  assert (header[:2], row[:2], row[-1]) == (['rate', 'size'], ['1', '8'], '2')


@pytest.mark.parametrize(
  'name',
  [
    *['teacher_kl', 'teacher_mse', 'mean_absolute_error'],
    *['expected_calibration_error', 'mismatched_loss'],
  ],
)
def test_lower_divergences_and_defined_scores_come_first(name):
  results = [
    {'keys': {'rate': rate}, 'scores': {name: score}}
    for rate, score in ((1, 0.5), (2, None), (3, 0.7), (4, 0.4))
  ]
  table = sweep_table.as_table(results, name)
  assert [row[0] for row in table[1:]] == ['4', '1', '3', '2']


def test_the_first_score_of_which_more_is_better_orders_the_runs():
  scores = {'expected_calibration_error': 0.1, 'loss': 0.5, 'accuracy': 0.75}
  header, row = sweep_table.as_table([{'keys': {}, 'scores': scores}], None)
  assert (header[0], row[0]) == ('accuracy', '0.7500')


def test_a_row_has_the_mean_and_not_the_median():
  results = [
    _result(1, n, accuracy, 0.5) for n, accuracy in enumerate((0, 0, 0.9))
  ]
  assert sweep_table.as_table(results, None)[1][1:4] == [
    *['0.3000', '0.0000', '0.9000']
  ]


def test_every_run_must_have_the_score():
  results = [
    {'keys': {'task_name': 'a', 'seed': 1}, 'scores': {'accuracy': 0.5}},
    {'keys': {'task_name': 'b', 'seed': 1}, 'scores': {'pearson': 0.5}},
  ]
  with pytest.raises(UserError, match="accuracy: a run has only 'pearson'"):
    sweep_table.as_table(results, None)


def test_the_main_metric_is_that_of_the_task():
  assert sweep_table.main_metric('cola') == 'matthews_correlation'
  assert sweep_table.main_metric('SST-2') == 'accuracy'
  assert sweep_table.main_metric('custom') is None
  assert sweep_table.main_metric('') is None


def test_a_score_that_no_run_can_have_is_refused():
  for name in ('auc', 'f1:spam', 'mismatched_loss', 'teacher_agreement'):
    sweep_table.check_metric(name, 'run_classifier.py')
  sweep_table.check_metric('next_sentence_loss', 'run_pretraining.py')
  with pytest.raises(
    UserError, match="--metric=acuracy: expected .*'accuracy'"
  ):
    sweep_table.check_metric('acuracy', 'run_classifier.py')
  for name in ('auc:spam', 'f1:', 'teacher_f1:spam'):
    with pytest.raises(UserError, match=f'--metric={name}: .* f1:LABEL, prec'):
      sweep_table.check_metric(name, 'run_classifier.py')


def test_a_label_s_score_orders_the_runs(tmp_path):
  results = []
  for rate, predictions in ((1, [0, 0, 1]), (2, [0, 1, 1])):
    folder = str(tmp_path / str(rate))
    os.mkdir(folder)
    for suffix in ('', '_mismatched'):
      class_scores.write(
        folder, ('ham', 'loss'), [0, 1, 1], predictions, suffix
      )
    results.append(
      sweep_table.with_label_score(
        _result(rate, 1, 0.5, 0.5), folder, 'recall:loss'
      )
    )
  assert 'recall:loss' in results[0]['scores']
  table = sweep_table.as_table(results, 'recall:loss')
  assert [row[:2] for row in table[1:]] == [['2', '1.0000'], ['1', '0.5000']]
  name = 'mismatched_recall:loss'
  found = sweep_table.with_label_score(_result(1, 1, 0.5, 0.5), folder, name)
  assert found['scores'][name] == 1.0
