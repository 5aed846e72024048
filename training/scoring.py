"""Predictions and scores of classifiers and regressors, from their logits.

A regressor is a classifier with one output: its logit is the predicted number.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data.tasks.examples import Example
from data.tasks.task import Task
from training.metrics import compute_scores


def decide(task: Task, logits: np.ndarray) -> np.ndarray:
  """Returns the predictions: label ids [N], or numbers, float32 [N]."""
  return logits[:, 0] if task.is_regression else np.argmax(logits, axis=-1)


def score(
  task: Task, examples: Sequence[Example], logits: np.ndarray
) -> dict[str, float]:
  """Computes a task's scores on labelled examples.

  Args:
    task: the task.
    examples: N examples with labels.
    logits: float32 [N, C].

  Returns:
    `eval_<metric>` for each of the task's metrics, `eval_loss` (mean
    cross-entropy in nats, or mean squared error) and `loss`, which equals it.
  """
  labels = np.array([task.encode_label(e.label) for e in examples])
  predictions = decide(task, logits)
  if task.is_regression:
    loss = float(np.mean((predictions - labels) ** 2, dtype=np.float64))
  else:
    log_probabilities = tf.nn.log_softmax(logits.astype(np.float64)).numpy()
    loss = float(-log_probabilities[np.arange(len(labels)), labels].mean())
  scores = compute_scores(task.metrics, labels, predictions)
  return {
    **{f'eval_{name}': value for name, value in scores.items()},
    'eval_loss': loss,
    'loss': loss,
  }


def chance_score(task: Task, examples: Sequence[Example]) -> float:
  """Returns the main score of the best constant prediction on the examples."""
  labels = np.array([task.encode_label(e.label) for e in examples])
  constants = range(task.num_outputs)
  name = task.metrics[0]
  return max(
    compute_scores([name], labels, np.full_like(labels, c))[name]
    for c in constants
  )
