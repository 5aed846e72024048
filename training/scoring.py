"""Predictions and scores of classifiers and regressors, from their logits.

A regressor is a classifier with one output: its logit is the predicted number.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data.tasks.examples import Example
from data.tasks.task import Task
from training import class_scores
from training.metrics import PER_CLASS, calibration_error, compute_scores


def decide(task: Task, logits: np.ndarray) -> np.ndarray:
  """Returns the predictions: label ids [N], or numbers, float32 [N]."""
  return logits[:, 0] if task.is_regression else np.argmax(logits, axis=-1)


def encode_labels(task: Task, examples: Sequence[Example]) -> np.ndarray:
  """Returns label ids, int [N], or numbers, float [N]."""
  return np.array([task.encode_label(example.label) for example in examples])


def log_probabilities(
  logits: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
  """Returns log(softmax(logits / temperature)), float64 [..., C]."""
  return tf.nn.log_softmax(logits.astype(np.float64) / temperature).numpy()


def score(
  task: Task,
  examples: Sequence[Example],
  logits: np.ndarray,
  temperature: float = 1.0,
  class_metric: str | None = None,
) -> dict[str, float]:
  """Computes a task's scores on labelled examples.

  Args:
    task: the task.
    examples: N examples with labels.
    logits: float32 [N, C].
    temperature: divides the logits of a classifier where probabilities count.
    class_metric: a further score, of one class; see `split_class_metric`.

  Returns:
    `eval_<metric>` for each of the task's metrics and for `class_metric`;
    `eval_expected_calibration_error` of a classifier; `eval_loss` (mean
    cross-entropy in nats, or mean squared error) and `loss`, which equals it.
  """
  labels = encode_labels(task, examples)
  predictions = decide(task, logits)
  if task.is_regression:
    scores = compute_scores(task.metrics, labels, predictions)
    loss = float(np.mean((predictions - labels) ** 2, dtype=np.float64))
  else:
    logs = log_probabilities(logits, temperature)
    scores = compute_scores(task.metrics, labels, predictions, np.exp(logs))
    if class_metric:
      scores[class_metric] = _of_class(task, class_metric, labels, predictions)
    scores['expected_calibration_error'] = calibration_error(
      labels, np.exp(logs)
    )
    loss = float(-logs[np.arange(len(labels)), labels].mean())
  return {
    **{f'eval_{name}': value for name, value in scores.items()},
    'eval_loss': loss,
    'loss': loss,
  }


def split_class_metric(task: Task, name: str) -> tuple[str, int] | None:
  """Splits the score of one class, such as 'f1:spam'.

  Returns:
    One of `PER_CLASS`, and the label's id; None if the name is none.
  """
  metric, colon, label = name.partition(':')
  if not colon or metric not in PER_CLASS:
    return None
  return (metric, task.labels.index(label)) if label in task.labels else None


def _of_class(
  task: Task, name: str, labels: np.ndarray, predictions: np.ndarray
) -> float:
  """Returns the score of one class; 0.0 if it is undefined."""
  metric, label_id = split_class_metric(task, name)
  scores = class_scores.compute(labels, predictions, task.num_outputs)
  return float(np.nan_to_num(getattr(scores, metric)[label_id]))


def chance_score(task: Task, examples: Sequence[Example]) -> float:
  """Returns the main score of the best constant prediction on the examples."""
  labels = encode_labels(task, examples)
  constants = range(task.num_outputs)
  name = task.metrics[0]
  return max(
    compute_scores([name], labels, np.full_like(labels, c))[name]
    for c in constants
  )
