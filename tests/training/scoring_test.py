"""Predictions and scores from logits, against values worked out by hand."""

import math

import numpy as np
import pytest

from data.tasks import custom, glue
from data.tasks.examples import Example
from training import scoring

SST2, STSB = glue.get_task('SST-2'), glue.get_task('STS-B')
LN3 = math.log(3)


def _examples(*labels):
  return [Example('0', 'a', None, label) for label in labels]


def test_classes_have_accuracy_and_cross_entropy():
  # The probabilities of the labels are 1/2, 1/4 and 3/4.
  logits = np.float32([[0, 0], [LN3, 0], [0, LN3]])
  assert scoring.decide(SST2, logits).tolist() == [0, 0, 1]
  loss = (math.log(2) + math.log(4) + math.log(4 / 3)) / 3
  assert scoring.score(SST2, _examples('0', '1', '1'), logits) == {
    'eval_accuracy': pytest.approx(2 / 3),
    # Confidences 1/2 (right), and 3/4 (wrong and right) in one bin.
    'eval_expected_calibration_error': pytest.approx((1 / 2 + 1 / 2) / 3),
    'eval_loss': pytest.approx(loss, rel=1e-6),
    'loss': pytest.approx(loss, rel=1e-6),
  }


def test_numbers_have_correlations_and_squared_error():
  logits = np.float32([[2], [3]])
  assert scoring.decide(STSB, logits).tolist() == [2.0, 3.0]
  assert scoring.score(STSB, _examples('1', '3'), logits) == {
    'eval_pearson': pytest.approx(1.0),
    'eval_spearman': pytest.approx(1.0),
    'eval_loss': 0.5,
    'loss': 0.5,
  }


def test_a_temperature_changes_probabilities_alone():
  # Logits of ln 9 at temperature 2 are logits of ln 3.
  examples = _examples('0', '1', '1')
  logits = np.float32([[0, 0], [LN3, 0], [0, LN3]])
  expected = scoring.score(SST2, examples, logits)
  assert scoring.score(SST2, examples, 2 * logits, 2.0) == pytest.approx(
    expected
  )
  assert scoring.score(SST2, examples, 2 * logits) != pytest.approx(expected)


BINARY = custom.classification(('ham', 'spam = yes'))


def test_custom_tasks_of_two_labels_score_the_second():
  # The positive examples have the logit differences 1 and -1, the negative 0.5.
  logits = np.float32([[0, 1], [0, -1], [0, 0.5]])
  examples = _examples('spam = yes', 'spam = yes', 'ham')
  scores = scoring.score(BINARY, examples, logits)
  scores = {name.removeprefix('eval_'): x for name, x in scores.items()}
  assert scores['f1'] == scores['precision'] == scores['recall'] == 0.5
  assert scores['auc'] == 0.5 and scores['accuracy'] == pytest.approx(1 / 3)
  assert scores['macro_f1'] == 0.25
  # (tp tn - fp fn) / sqrt(...) = (1 * 0 - 1 * 1) / sqrt(2 * 2 * 1 * 1).
  assert scores['matthews_correlation'] == pytest.approx(-0.5)


def test_custom_tasks_of_three_labels_have_no_positive_one():
  task = custom.classification(('a', 'b', 'c'))
  scores = scoring.score(task, _examples('a', 'c'), np.eye(3)[[0, 2]])
  assert not {'eval_auc', 'eval_f1', 'eval_recall'} & set(scores)
  assert scores['eval_macro_f1'] == scores['eval_macro_recall'] == 1.0


def test_custom_numbers_have_the_mean_absolute_error():
  logits = np.float32([[2], [5]])
  scores = scoring.score(custom.regression({}), _examples('1', '3'), logits)
  assert scores['eval_mean_absolute_error'] == 1.5
  assert scores['eval_pearson'] == pytest.approx(1.0)


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('f1:spam = yes', ('f1', 1)),
    ('recall:ham', ('recall', 0)),
    *[('f1:eggs', None), ('f1', None), ('auc:ham', None), ('loss', None)],
  ],
)
def test_a_score_of_one_class_is_named_with_its_label(name, expected):
  assert scoring.split_class_metric(BINARY, name) == expected


def test_the_score_of_one_class_is_added():
  logits = np.float32([[1, 0], [1, 0], [1, 0]])
  examples = _examples('ham', 'ham', 'spam = yes')
  for name, expected in (('precision:ham', 2 / 3), ('f1:spam = yes', 0.0)):
    scores = scoring.score(BINARY, examples, logits, class_metric=name)
    assert scores[f'eval_{name}'] == pytest.approx(expected)


def test_chance_is_the_best_constant_prediction():
  assert scoring.chance_score(SST2, _examples('0', '1', '1')) == 2 / 3
  assert scoring.chance_score(STSB, _examples('1', '3')) == 0.0
