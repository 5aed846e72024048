"""Tests of training/metrics.py against values worked out by hand."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from data.tasks import glue
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


@pytest.mark.parametrize('name', metrics.METRIC_NAMES[1:])
def test_constant_predictions_or_labels_score_zero(name):
  assert _score(name, [0, 1, 1], [0, 0, 0]) == 0.0
  assert _score(name, [0, 0, 0], [0, 1, 1]) == 0.0
  assert _score(name, [0, 0], [0, 0]) == 0.0
  assert _score(name, [0], [0]) == 0.0


def test_nearly_constant_predictions_give_no_warning():
  predictions = 2.5 + np.arange(4) * 1e-15
  assert -1 <= _score('pearson', [1.0, 2.0, 3.0, 4.0], predictions) <= 1


@pytest.mark.parametrize('name', ['pearson', 'spearman'])
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
  for name in glue.task_names():
    task = glue.get_task(name)
    assert set(task.metrics) <= set(metrics.METRIC_NAMES) and task.metrics


def test_importing_metrics_imports_no_heavy_package():
  code = (
    'import sys; import training.metrics; '
    'assert not {"tensorflow", "sklearn", "scipy"} & set(sys.modules)'
  )
  subprocess.run([sys.executable, '-c', code], check=True)
