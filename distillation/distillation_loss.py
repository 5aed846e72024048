"""The student's loss under the teacher's soft labels, and their agreement."""

import numpy as np
import tensorflow as tf

from data.tasks.task import Task
from distillation.patient_kd import PatientKd
from modeling.dropout import DropoutKey
from modeling.models import Classifier
from training import losses, scoring
from training.task_job import label_loss
from training.trainer import LossFunction


def make_distillation_loss(
  model: Classifier,
  task: Task,
  temperature: float = 1.0,
  hard_label_weight: float = 0.0,
  patient: PatientKd | None = None,
) -> LossFunction:
  """Returns the student's loss under the teacher's predictions.

  An example's soft loss is the cross-entropy under the teacher's soft labels at
  a temperature (`losses.soft_cross_entropy`), or the squared distance to the
  teacher's number. An example with a label has the loss (1 - w) soft + w hard,
  with the label's cross-entropy or squared error; an example without a label
  has the soft loss. All losses are divided by the number of examples in the
  global batch. T = 1 and w = 0 without Patient KD give the loss of Turc et al.
  (section 2).

  Args:
    model: the student.
    task: decides whether the labels are classes or numbers.
    temperature: T; not used for numbers.
    hard_label_weight: w in [0, 1]. Above 0, batches have `label_ids`: -1, or
      NaN for numbers, marks an example without a label.
    patient: adds the weighted loss of [CLS] states; None for the logits only.
  """

  def soft_loss(logits, batch, weights):
    teacher, denominator = batch['teacher_logits'], batch['example_denominator']
    if task.is_regression:
      targets = tf.reshape(teacher, [-1])
      return losses.squared_error(logits[:, 0], targets, weights, denominator)
    return losses.soft_cross_entropy(
      logits, teacher, weights, denominator, temperature
    )

  def logits_losses(logits, batch):
    if not hard_label_weight:
      return {'loss': soft_loss(logits, batch, tf.ones_like(logits[:, 0]))}
    labels, denominator = batch['label_ids'], batch['example_denominator']
    known = tf.math.is_finite(labels) if task.is_regression else labels >= 0
    labels = tf.where(known, labels, tf.zeros_like(labels))
    weights = hard_label_weight * tf.cast(known, tf.float32)
    hard = label_loss(task, logits, labels, weights, denominator)
    soft = soft_loss(logits, batch, 1.0 - weights)
    return {'loss': soft + hard, 'soft_loss': soft, 'hard_loss': hard}

  def loss_function(batch, dropout: DropoutKey | None):
    if patient is None:
      return logits_losses(model(batch, dropout=dropout)['logits'], batch)
    outputs = patient.outputs(model, batch, dropout)
    results = logits_losses(outputs['logits'], batch)
    loss = patient.loss(outputs['cls_states'], batch)
    results['loss'] += patient.weight * loss
    return {**results, 'patient_loss': loss}

  return loss_function


def agreement(
  task: Task, teacher_logits: np.ndarray, logits: np.ndarray
) -> dict[str, float]:
  """Measures how closely a student agrees with its teacher.

  Args:
    task: decides whether the labels are classes or numbers.
    teacher_logits: float32 [N, C].
    logits: float32 [N, C], the student's.

  Returns:
    `eval_teacher_agreement`, the share of examples for which both predict the
    same class, and `eval_teacher_kl`, the mean of KL(teacher || student) in
    nats. For numbers, `eval_teacher_mse`, their mean squared difference.
  """
  teacher_logits = teacher_logits.astype(np.float64)
  logits = logits.astype(np.float64)
  if task.is_regression:
    return {'eval_teacher_mse': float(np.mean((teacher_logits - logits) ** 2))}
  same = teacher_logits.argmax(axis=-1) == logits.argmax(axis=-1)
  teacher = scoring.log_probabilities(teacher_logits)
  student = scoring.log_probabilities(logits)
  divergences = np.sum(np.exp(teacher) * (teacher - student), axis=-1)
  return {
    'eval_teacher_agreement': float(same.mean()),
    'eval_teacher_kl': float(divergences.mean()),
  }
