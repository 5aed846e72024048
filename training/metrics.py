"""Metrics: weighted means over batches, and the scores of tasks.

Evaluation loops add up sums and counts and divide once at the end: a mean of
batch means would weigh the examples of a short last batch too heavily. Scores
that are not means (F1, Matthews, correlations) are computed from whole arrays.

accuracy               the share of right predictions
f1, precision, recall  of the positive class, which is the second label
macro_f1, ...          the mean over the classes that occur among the labels or
                       the predictions; each class counts the same
matthews_correlation   of two classes or more
auc                    the area under the ROC curve of the second of two labels
pearson, spearman      correlations of numbers
mean_absolute_error    of numbers; lower is better
"""

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


class WeightedMean:
  """A mean kept as a sum and a weight in float64."""

  def __init__(self):
    self.total = 0.0
    self.weight = 0.0

  def update(self, value_sum, weight_sum) -> None:
    """Adds one batch.

    Args:
      value_sum: scalar (number, array or eager tensor), the batch's sum of
        weighted values; 0 for padding.
      weight_sum: scalar, the batch's sum of weights, usually the number of real
        examples or predictions.
    """
    self.total += float(value_sum)
    self.weight += float(weight_sum)

  def result(self) -> float:
    """Returns the mean over all batches; 0.0 if the weights add up to 0."""
    return self.total / self.weight if self.weight else 0.0


def compute_scores(
  metric_names: Iterable[str], labels, predictions, probabilities=None
) -> dict[str, float]:
  """Computes scores over a whole split.

  Args:
    metric_names: from `METRIC_NAMES`.
    labels: [N], label ids, or numbers for 'pearson', 'spearman' and
      'mean_absolute_error'.
    predictions: [N], of the same kind: predicted label ids (the argmax of the
      logits), or numbers.
    probabilities: [N, C], of the classes; only 'auc' needs them.

  Returns:
    name → score, in the given order. Correlations are in [-1, 1], the errors
    are 0 or more, and the others are in [0, 1]. A score that is undefined
    because all predictions or all labels are equal is 0.0, as are the precision
    of a class that was never predicted and the recall of one that never occurs;
    'auc' is NaN if the labels have one class only. Correlations and errors of
    values that include NaN are NaN.

  Raises:
    ValueError: a name is unknown, there is no example, or the shapes differ.
  """
  labels, predictions = np.asarray(labels), np.asarray(predictions)
  if labels.ndim != 1 or labels.shape != predictions.shape or not labels.size:
    raise ValueError(
      'expected labels and predictions of one shape [N] with N > 0, received '
      f'{labels.shape} and {predictions.shape}'
    )
  scores = {}
  for name in metric_names:
    if name == _AUC:
      scores[name] = _auc(labels, probabilities)
    elif name in _METRICS:
      scores[name] = float(_METRICS[name](labels, predictions))
    else:
      known = ', '.join(METRIC_NAMES)
      raise ValueError(f'unknown metric {name!r}; known metrics: {known}')
  return scores


def calibration_error(labels, probabilities, num_bins: int = 15) -> float:
  """Computes the expected calibration error of the predicted classes.

  The confidence of an example is its highest probability. Bin m of M holds the
  examples whose confidence is in ((m - 1) / M, m / M]. The error is the mean
  over all N examples of the bins' gaps, sum_m |B_m| / N |acc(B_m) - conf(B_m)|
  (Guo et al. 2017, arXiv 1706.04599, equation 3, whose experiments use 15
  bins).

  Args:
    labels: int [N], N > 0.
    probabilities: [N, C].
    num_bins: M.

  Returns:
    The error in [0, 1]; NaN if a probability is not finite.
  """
  probabilities = np.asarray(probabilities, np.float64)
  if not np.isfinite(probabilities).all():
    return math.nan
  confidences = probabilities.max(axis=1)
  is_right = probabilities.argmax(axis=1) == np.asarray(labels)
  bins = np.ceil(confidences * num_bins).astype(int) - 1
  # |B_m| |acc(B_m) - conf(B_m)| is the absolute sum of the bin's differences.
  gaps = np.bincount(bins.clip(0, num_bins - 1), weights=is_right - confidences)
  return float(np.abs(gaps).sum() / len(confidences))


def _accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
  return np.mean(labels == predictions, dtype=np.float64)


def _of_positive_class(name: str) -> Callable:
  """Returns a score of the positive class, which is label id 1."""
  score = _of_sklearn(name)
  return lambda labels, predictions: score(labels == 1, predictions == 1)


def _of_sklearn(name: str, **arguments: Any) -> Callable:
  """Returns scikit-learn's function of a score; an undefined one is 0."""

  def score(labels: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn import metrics

    function = getattr(metrics, f'{name}_score')
    return function(labels, predictions, zero_division=0.0, **arguments)

  return score


def _auc(labels: np.ndarray, probabilities) -> float:
  from sklearn import metrics

  is_positive, scores = labels == 1, np.asarray(probabilities)[:, 1]
  if _is_constant(is_positive) or not np.isfinite(scores).all():
    return math.nan
  return float(metrics.roc_auc_score(is_positive, scores))


def _matthews_correlation(labels: np.ndarray, predictions: np.ndarray) -> float:
  from sklearn import metrics

  if _is_constant(labels) or _is_constant(predictions):
    return 0.0
  return metrics.matthews_corrcoef(labels, predictions)


def _pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
  from scipy import stats

  return _correlation(stats.pearsonr, labels, predictions)


def _spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Computes the rank correlation; ties share the mean of their ranks."""
  from scipy import stats

  return _correlation(stats.spearmanr, labels, predictions)


def _mean_absolute_error(labels: np.ndarray, predictions: np.ndarray) -> float:
  return np.abs(labels.astype(np.float64) - predictions).mean()


def _correlation(
  function: Callable, labels: np.ndarray, predictions: np.ndarray
) -> float:
  from scipy import stats

  if _is_constant(labels) or _is_constant(predictions):
    return 0.0
  with warnings.catch_warnings():
    # SciPy warns about nearly constant values, which an untrained student
    # predicts. The score shows that already.
    warnings.simplefilter('ignore', stats.NearConstantInputWarning)
    return function(labels.astype(float), predictions.astype(float))[0]


def _is_constant(values: np.ndarray) -> bool:
  return bool((values == values[0]).all())


_AUC = 'auc'
PER_CLASS = ('f1', 'precision', 'recall')
_METRICS = {
  'accuracy': _accuracy,
  **{name: _of_positive_class(name) for name in PER_CLASS},
  **{f'macro_{x}': _of_sklearn(x, average='macro') for x in PER_CLASS},
  'matthews_correlation': _matthews_correlation,
  'pearson': _pearson,
  'spearman': _spearman,
  'mean_absolute_error': _mean_absolute_error,
}
METRIC_NAMES = (*_METRICS, _AUC)
LOWER_IS_BETTER = ('loss', 'mean_absolute_error')
