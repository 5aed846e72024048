"""Metrics: weighted means over batches, and GLUE's scores.

Evaluation loops add up sums and counts and divide once at the end: a mean of
batch means would weigh the examples of a short last batch too heavily. Scores
that are not means (F1, Matthews, correlations) are computed from whole arrays.
"""

import warnings
from collections.abc import Callable, Iterable

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
  metric_names: Iterable[str], labels, predictions
) -> dict[str, float]:
  """Computes GLUE's scores over a whole split.

  Args:
    metric_names: from `METRIC_NAMES`.
    labels: [N], label ids, or numbers for 'pearson' and 'spearman'.
    predictions: [N], of the same kind: predicted label ids (the argmax of the
      logits), or numbers.

  Returns:
    name → score, in the given order: 'accuracy' and 'f1' in [0, 1], the others
    in [-1, 1]. A score that is undefined because all predictions or all labels
    are equal is 0.0. A correlation of values that include NaN is NaN.

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
    if name not in _METRICS:
      known = ', '.join(METRIC_NAMES)
      raise ValueError(f'unknown metric {name!r}; known metrics: {known}')
    scores[name] = float(_METRICS[name](labels, predictions))
  return scores


def _accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
  return np.mean(labels == predictions, dtype=np.float64)


def _f1(labels: np.ndarray, predictions: np.ndarray) -> float:
  """Computes F1 of the positive class, which is label id 1."""
  from sklearn import metrics

  return metrics.f1_score(labels == 1, predictions == 1, zero_division=0.0)


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


_METRICS = {
  'accuracy': _accuracy,
  'f1': _f1,
  'matthews_correlation': _matthews_correlation,
  'pearson': _pearson,
  'spearman': _spearman,
}
METRIC_NAMES = tuple(_METRICS)
