"""Classifiers and regressors: what is minimised, measured and predicted.

A regressor is a classifier of one output whose logit is the predicted number.
"""

import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data.tasks import Example, Task
from modeling import losses
from modeling.dropout import DropoutKey
from modeling.metrics import compute_scores
from modeling.models import Classifier
from modeling.training import LossFunction


def make_task_loss(model: Classifier, task: Task) -> LossFunction:
  """Returns the cross-entropy of the labels, or the squared error."""

  def loss_function(batch, dropout: DropoutKey | None):
    logits = model(batch, dropout=dropout)['logits']
    weights = tf.cast(batch['is_real_example'], tf.float32)
    labels, denominator = batch['label_ids'], batch['example_denominator']
    if task.is_regression:
      loss = losses.squared_error(logits[:, 0], labels, weights, denominator)
    else:
      loss = losses.cross_entropy(logits, labels, weights, denominator)
    return {'loss': loss}

  return loss_function


def make_distillation_loss(model: Classifier, task: Task) -> LossFunction:
  """Returns the cross-entropy under the teacher's soft labels (Turc et al.,
  section 2), or the squared distance to its predicted numbers."""

  def loss_function(batch, dropout: DropoutKey | None):
    logits = model(batch, dropout=dropout)['logits']
    teacher, denominator = batch['teacher_logits'], batch['example_denominator']
    weights = tf.ones_like(logits[:, 0])
    if task.is_regression:
      loss = losses.squared_error(
        logits[:, 0], tf.reshape(teacher, [-1]), weights, denominator
      )
    else:
      loss = losses.soft_cross_entropy(logits, teacher, weights, denominator)
    return {'loss': loss}

  return loss_function


class Predictor:
  """Computes a model's logits; one traced function for all its calls."""

  def __init__(self, model: Classifier):
    """Traces nothing yet; the first batch does."""
    self.examples_per_second = 0.0
    self._logits = tf.function(
      lambda batch: model(batch)['logits'], reduce_retracing=True
    )

  def predict(self, batches: tf.data.Dataset, num_examples: int) -> np.ndarray:
    """Computes the logits of every example once.

    Args:
      batches: as `input_pipeline.inference_batches`.
      num_examples: N.

    Returns:
      float32 [N, C], in the order of the examples.
    """
    rows, outputs = [], []
    seen, timed, seconds = set(), 0, 0.0
    for batch in batches:
      inputs = {
        name: batch[name] for name in ('input_ids', 'input_mask', 'segment_ids')
      }
      rows.append(batch['example_index'].numpy())
      started = time.perf_counter()
      outputs.append(self._logits(inputs).numpy())
      # A shape's first batch may trace the function: it is not timed.
      if inputs['input_ids'].shape in seen:
        timed += len(rows[-1])
        seconds += time.perf_counter() - started
      seen.add(inputs['input_ids'].shape)
    self.examples_per_second = timed / seconds if seconds else 0.0
    rows, outputs = np.concatenate(rows), np.concatenate(outputs)
    logits = np.empty([num_examples, outputs.shape[1]], np.float32)
    real = rows >= 0
    if np.bincount(rows[real], minlength=num_examples).tolist() != (
      [1] * num_examples
    ):
      raise RuntimeError('an example was not scored exactly once')
    logits[rows[real]] = outputs[real]
    return logits


def score(
  task: Task, examples: Sequence[Example], logits: np.ndarray
) -> dict[str, float]:
  """Computes a task's scores on labelled examples.

  Args:
    task: the task.
    examples: N, with labels.
    logits: float32 [N, C].

  Returns:
    `eval_<metric>` for each of the task's metrics, `eval_loss` (mean
    cross-entropy in nats, or mean squared error) and `loss`, the same.
  """
  labels = np.array([task.encode_label(e.label) for e in examples])
  if task.is_regression:
    predictions = logits[:, 0]
    loss = float(np.mean((predictions - labels) ** 2, dtype=np.float64))
  else:
    predictions = np.argmax(logits, axis=-1)
    log_probabilities = tf.nn.log_softmax(logits.astype(np.float64)).numpy()
    loss = float(-log_probabilities[np.arange(len(labels)), labels].mean())
  scores = compute_scores(task.metrics, labels, predictions)
  return {
    **{f'eval_{name}': value for name, value in scores.items()},
    'eval_loss': loss,
    'loss': loss,
  }


def chance_score(task: Task, examples: Sequence[Example]) -> float:
  """Returns the best main score of any constant prediction on the examples."""
  labels = np.array([task.encode_label(e.label) for e in examples])
  constants = range(task.num_outputs)
  name = task.metrics[0]
  return max(
    compute_scores([name], labels, np.full_like(labels, c))[name]
    for c in constants
  )
