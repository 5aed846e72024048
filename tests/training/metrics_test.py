"""Tests of training/metrics.py against values worked out by hand."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from data.tasks import custom, glue
from training import metrics


@pytest.fixture(autouse=True)
def _warnings_are_errors():
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    yield


def _score(name, labels, predictions):
  return metrics.compute_scores([name], labels, predictions)[name]


def _from_confusion(tp, fp, fn, tn):
  labels = [1] * tp + [0] * fp + [1] * fn + [0] * tn
  predictions = [1] * tp + [1] * fp + [0] * fn + [0] * tn
  return labels, predictions


def test_mean_weighs_examples_not_batches():
  mean = metrics.WeightedMean()
  mean.update(32.0, 32)  # 32 of 32 are right.
  mean.update(np.float32(0.0), np.float32(4.0))  # 0 of 4 are right.
  assert mean.result() == 32 / 36  # The mean of the batch means is 0.5.


def test_mean_counts_beyond_float32():
  mean = metrics.WeightedMean()
  mean.update(2.0**24, 2.0**24)
  for _ in range(3):
    mean.update(1.0, 1.0)
  assert mean.total == 2**24 + 3 and mean.result() == 1.0


def test_mean_of_nothing_is_zero():
  mean = metrics.WeightedMean()
  mean.update(0.0, 0.0)
  assert mean.result() == 0.0


def test_accuracy_counts_equal_ids():
  assert _score('accuracy', [0, 1, 2, 2], [0, 2, 2, 2]) == 0.75


def test_f1_with_unequal_precision_and_recall():
  # Precision 3/4, recall 3/8: F1 = 2 * 3 / (2 * 3 + 1 + 5) = 1/2. For the other
  # class it would be 2 * 7 / (2 * 7 + 5 + 1) = 0.7. Accuracy is 10/16.
  labels, predictions = _from_confusion(tp=3, fp=1, fn=5, tn=7)
  scores = metrics.compute_scores(['f1', 'accuracy'], labels, predictions)
  assert scores == pytest.approx({'f1': 0.5, 'accuracy': 0.625}, abs=1e-15)
  assert list(scores) == ['f1', 'accuracy']


def test_matthews_from_a_confusion_matrix():
  # (tp tn - fp fn) / sqrt((tp+fp)(tp+fn)(tn+fp)(tn+fn)), all four unequal.
  labels, predictions = _from_confusion(tp=6, fp=2, fn=1, tn=3)
  expected = (6 * 3 - 2 * 1) / math.sqrt(8 * 7 * 5 * 4)
  score = _score('matthews_correlation', labels, predictions)
  assert score == pytest.approx(expected, abs=1e-12)


def test_matthews_is_signed():
  assert _score('matthews_correlation', [0, 1], [1, 0]) == pytest.approx(-1.0)


def test_pearson_by_hand():
  # Deviations (-1, 0, 1) and (-1, -1, 2): 3 / sqrt(2 * 6).
  score = _score('pearson', [1.0, 2.0, 3.0], np.float32([0, 0, 3]))
  assert score == pytest.approx(3 / math.sqrt(12), abs=1e-12)


def test_spearman_gives_ties_their_mean_rank():
  # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4; deviations (-1.5, 0, 0, 1.5) and
  # (-1.5, 0.5, -0.5, 1.5): 4.5 / sqrt(4.5 * 5).
  score = _score('spearman', [0.0, 2.0, 2.0, 5.0], [0.1, 30.0, 0.3, 99.0])
  assert score == pytest.approx(4.5 / math.sqrt(22.5), abs=1e-12)


def test_spearman_sees_order_only_and_pearson_does_not():
  labels, predictions = [1.0, 2.0, 3.0], [1.0, 10.0, 1000.0]
  assert _score('spearman', labels, predictions) == pytest.approx(1.0)
  assert _score('pearson', labels, predictions) < 0.9


# Three classes, and four labels of class 0, two of class 1. Class 2 is absent,
# but predicted. Precision 2/2, 1/3 and 0/1; recall 2/4, 1/2 and 0/0 (as 0); F1
# 2/3, 2/5 and 0.
_ABSENT = [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 2]


def test_macro_scores_by_hand_with_a_class_that_is_only_predicted():
  assert _score('macro_precision', *_ABSENT) == pytest.approx(4 / 9)
  assert _score('macro_recall', *_ABSENT) == pytest.approx(1 / 3)
  assert _score('macro_f1', *_ABSENT) == pytest.approx((2 / 3 + 2 / 5) / 3)


def test_macro_scores_leave_out_classes_that_never_occur():
  # Ids 1 and 7: F1 of 7 is 2/3, of 1 is 0.
  assert _score('macro_f1', [7, 7, 1], [7, 7, 7]) == pytest.approx(0.8 / 2)


def test_precision_and_recall_are_of_the_second_label():
  labels, predictions = _from_confusion(tp=3, fp=1, fn=5, tn=7)
  assert _score('precision', labels, predictions) == 0.75
  assert _score('recall', labels, predictions) == 0.375


def test_scores_of_random_predictions_equal_scikit_learn_s():
  from sklearn import metrics as reference

  rng = np.random.default_rng(0)
  labels, predictions = rng.integers(0, 5, [2, 300])
  report = reference.classification_report(
    labels, predictions, output_dict=True
  )
  names = ['macro_f1', 'macro_precision', 'macro_recall']
  scores = metrics.compute_scores(names, labels, predictions)
  expected = [report['macro avg'][n] for n in ('f1-score', 'precision')]
  assert [*scores.values()] == pytest.approx(
    [*expected, report['macro avg']['recall']]
  )
  positive = rng.random(300)
  found = metrics.compute_scores(
    ['auc', 'f1', 'precision', 'recall'],
    labels % 2,
    predictions % 2,
    np.stack([1 - positive, positive], axis=1),
  )
  report = reference.classification_report(
    labels % 2, predictions % 2, output_dict=True
  )['1']
  area = reference.roc_auc_score(labels % 2, positive)
  names = ('f1-score', 'precision', 'recall')
  expected = [area, *(report[name] for name in names)]
  assert [*found.values()] == pytest.approx(expected)


def test_auc_counts_pairs_in_order():
  # Of the 2 * 3 pairs of a positive and a negative, the positive of 0.8 wins
  # three, that of 0.4 wins one and ties with one: 4.5 / 6.
  positive = np.array([0.8, 0.4, 0.4, 0.2, 0.6])
  probabilities = np.stack([1 - positive, positive], axis=1)
  labels = [1, 1, 0, 0, 0]
  scores = metrics.compute_scores(['auc'], labels, labels, probabilities)
  assert scores['auc'] == pytest.approx(4.5 / 6)


def test_auc_of_one_class_or_of_nan_is_undefined():
  half = np.full([2, 2], 0.5)
  for labels, probabilities in (
    ([0, 0], half),
    ([1, 1], half),
    ([0, 1], half * math.nan),
  ):
    scores = metrics.compute_scores(['auc'], labels, labels, probabilities)
    assert math.isnan(scores['auc'])


def test_mean_absolute_error_by_hand():
  score = _score('mean_absolute_error', [1.0, 2.0, 4.0], np.float32([1, 4, 1]))
  assert score == pytest.approx(5 / 3)


def test_calibration_error_of_four_examples_by_hand():
  # Confidence 0.62 (right) and 0.66 (wrong) share the bin (9/15, 10/15]: their
  # accuracy is 0.5, their mean confidence 0.64. 0.9 is right, 1.0 is wrong.
  highest = np.array([0.62, 0.66, 0.9, 1.0])
  probabilities = np.stack([highest, 1 - highest], axis=1)
  error = metrics.calibration_error([0, 1, 0, 1], probabilities)
  assert error == pytest.approx((2 * 0.14 + 0.1 + 1.0) / 4)


def test_a_bin_of_confidences_contains_its_upper_end():
  # 0.5 and 0.6 are in (0, 0.5] and (0.5, 1] of two bins; in one bin, the errors
  # of the right and of the wrong prediction would cancel to 0.1 / 2.
  probabilities = [[0.5, 0.5], [0.6, 0.4]]
  error = metrics.calibration_error([0, 1], probabilities, num_bins=2)
  assert error == pytest.approx((0.5 + 0.6) / 2)


def test_calibration_error_is_nan_if_a_probability_is():
  assert math.isnan(metrics.calibration_error([0], [[math.nan, 0.5]]))


def test_calibration_error_of_random_predictions_equals_the_definition():
  rng = np.random.default_rng(0)
  probabilities = rng.dirichlet(np.ones(3), 500)
  labels = rng.integers(0, 3, 500)
  confidences, guesses = probabilities.max(axis=1), probabilities.argmax(axis=1)
  expected = 0.0
  for m in range(1, 16):
    inside = ((m - 1) / 15 < confidences) & (confidences <= m / 15)
    if inside.any():
      accuracy = np.mean(guesses[inside] == labels[inside])
      gap = abs(accuracy - confidences[inside].mean())
      expected += inside.sum() / 500 * gap
  found = metrics.calibration_error(labels, probabilities)
  assert found == pytest.approx(expected)


@pytest.mark.parametrize(
  'name',
  [
    *['f1', 'precision', 'recall', 'matthews_correlation'],
    *['pearson', 'spearman'],
  ],
)
def test_constant_predictions_or_labels_score_zero(name):
  assert _score(name, [0, 1, 1], [0, 0, 0]) == 0.0
  assert _score(name, [0, 0, 0], [0, 1, 1]) == 0.0
  assert _score(name, [0, 0], [0, 0]) == 0.0
  assert _score(name, [0], [0]) == 0.0


def test_nearly_constant_predictions_give_no_warning():
  predictions = 2.5 + np.arange(4) * 1e-15
  assert -1 <= _score('pearson', [1.0, 2.0, 3.0, 4.0], predictions) <= 1


@pytest.mark.parametrize('name', ['pearson', 'spearman', 'mean_absolute_error'])
def test_a_diverged_regression_is_not_hidden(name):
  assert math.isnan(_score(name, [1.0, 2.0, 3.0], [1.0, math.nan, 2.0]))


@pytest.mark.parametrize(
  ('name', 'labels', 'predictions', 'message'),
  [
    ('bleu', [0], [0], "'bleu'; known metrics: accuracy, f1"),
    ('accuracy', [0, 1], [0], r'\(2,\) and \(1,\)'),
    ('accuracy', [[0]], [[0]], r'\(1, 1\)'),
    ('accuracy', [], [], 'N > 0'),
  ],
)
def test_misuse_is_refused(name, labels, predictions, message):
  with pytest.raises(ValueError, match=message):
    _score(name, labels, predictions)


def test_every_task_has_known_metrics():
  tasks = [glue.get_task(name) for name in glue.task_names()]
  tasks += [custom.classification(tuple('abc'[:n])) for n in (2, 3)]
  for task in [*tasks, custom.regression({})]:
    assert set(task.metrics) <= set(metrics.METRIC_NAMES) and task.metrics


def test_importing_metrics_imports_no_heavy_package():
  code = (
    'import sys; import training.metrics; '
    'assert not {"tensorflow", "sklearn", "scipy"} & set(sys.modules)'
  )
  subprocess.run([sys.executable, '-c', code], check=True)
