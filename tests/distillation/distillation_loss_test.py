"""A student's loss and agreement, against values worked out by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from data.tasks import glue
from distillation import distillation_loss

LN3 = math.log(3)
SST2, STSB = glue.get_task('SST-2'), glue.get_task('STS-B')


def _loss(task, batch, **options):
  """Computes the losses of a student whose logits the batch gives."""
  function = distillation_loss.make_distillation_loss(
    lambda batch, dropout: {'logits': batch['logits']}, task, **options
  )
  batch = {name: tf.constant(value) for name, value in batch.items()}
  return {name: float(x) for name, x in function(batch, None).items()}


# For both rows the student's probabilities are 3/4 and 1/4, the teacher's 1/2
# and 1/2.
BATCH = {
  'logits': np.float32([[LN3, 0], [LN3, 0]]),
  'teacher_logits': np.float32([[0, 0], [0, 0]]),
  'label_ids': np.int32([1, -1]),
  'example_denominator': np.float32(4),
}
SOFT = -0.5 * math.log(3 / 4) - 0.5 * math.log(1 / 4)
HARD = math.log(4)


def test_without_a_weight_labels_are_not_needed():
  batch = {k: v for k, v in BATCH.items() if k != 'label_ids'}
  assert _loss(SST2, batch) == {'loss': pytest.approx(2 * SOFT / 4)}


def test_hard_labels_count_where_they_are_known():
  losses = _loss(SST2, BATCH, hard_label_weight=0.25)
  assert losses == {
    'loss': pytest.approx((0.75 * SOFT + 0.25 * HARD + SOFT) / 4, rel=1e-6),
    'soft_loss': pytest.approx((0.75 * SOFT + SOFT) / 4, rel=1e-6),
    'hard_loss': pytest.approx(0.25 * HARD / 4, rel=1e-6),
  }


def test_the_temperature_divides_the_logits_of_the_soft_loss_alone():
  # At T = 2 the student's probabilities are as sqrt(3) to 1.
  root = math.sqrt(3)
  soft = -0.5 * math.log(root / (root + 1)) - 0.5 * math.log(1 / (root + 1))
  loss = _loss(SST2, BATCH, temperature=2.0, hard_label_weight=0.25)['loss']
  expected = (4 * (0.75 * soft + soft) + 0.25 * HARD) / 4
  assert loss == pytest.approx(expected, rel=1e-6)


def test_losses_of_the_parts_add_up_to_the_loss_of_the_whole():
  parts = [
    _loss(
      SST2,
      {k: v[i : i + 1] if v.ndim else v for k, v in BATCH.items()},
      hard_label_weight=0.3,
      temperature=3.0,
    )['loss']
    for i in range(2)
  ]
  whole = _loss(SST2, BATCH, hard_label_weight=0.3, temperature=3.0)['loss']
  assert sum(parts) == pytest.approx(whole, rel=1e-6)


def test_regression_has_squared_errors_from_teacher_and_labels():
  batch = {
    'logits': np.float32([[1], [5]]),
    'teacher_logits': np.float32([[3], [2]]),
    'label_ids': np.float32([2, np.nan]),
    'example_denominator': np.float32(2),
  }
  # Row 1: 4 from the teacher, 1 from the label; row 2: 9 from the teacher.
  loss = _loss(STSB, batch, hard_label_weight=0.25)['loss']
  assert loss == pytest.approx((0.75 * 4 + 0.25 * 1 + 9) / 2, rel=1e-6)
  assert _loss(STSB, batch)['loss'] == pytest.approx(13 / 2, rel=1e-6)


def test_a_missing_number_leaves_gradients_finite():
  logits = tf.Variable([[1.0], [5.0]])
  function = distillation_loss.make_distillation_loss(
    lambda batch, dropout: {'logits': logits}, STSB, hard_label_weight=0.5
  )
  batch = {
    'teacher_logits': tf.constant([[3.0], [2.0]]),
    'label_ids': tf.constant([math.nan, 4.0]),
    'example_denominator': tf.constant(1.0),
  }
  with tf.GradientTape() as tape:
    loss = function(batch, None)['loss']
  # 2 (1 - 3); half of 2 (5 - 2) and half of 2 (5 - 4).
  assert tape.gradient(loss, logits).numpy().tolist() == [[-4.0], [4.0]]


def test_agreement_counts_equal_classes_and_averages_divergences():
  teacher = np.float32([[LN3, 0], [0, LN3]])
  student = np.float32([[0.1, 0], [LN3, 0]])
  p, q = math.exp(0.1) / (1 + math.exp(0.1)), 0.75
  first = 0.75 * math.log(0.75 / p) + 0.25 * math.log(0.25 / (1 - p))
  second = 0.25 * math.log(0.25 / q) + 0.75 * math.log(0.75 / (1 - q))
  assert distillation_loss.agreement(SST2, teacher, student) == {
    'eval_teacher_agreement': 0.5,
    'eval_teacher_kl': pytest.approx((first + second) / 2, rel=1e-6),
  }


def test_agreement_of_numbers_is_their_mean_squared_difference():
  assert distillation_loss.agreement(
    STSB, np.float32([[1], [2]]), np.float32([[2], [4]])
  ) == {'eval_teacher_mse': 2.5}
