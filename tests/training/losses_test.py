"""Losses and their gradients, against values worked out by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from training import losses

LOG2 = math.log(2)
LOG4 = math.log(4)
# Under these logits class 0 has probability 3/4, class 1 has 1/4.
THREE_TO_ONE = [math.log(3), 0.0]


def floats(values):
  return tf.constant(values, tf.float32)


def test_masked_lm_loss_sums_real_predictions_over_the_denominator():
  nats = floats([[LOG4 - math.log(3), LOG4], [LOG2, 9]])
  weights = floats([[1, 1], [1, 0]])
  loss = losses.weighted_sum(nats, weights, 3 + 1e-5)
  expected = (LOG4 - math.log(3) + LOG4 + LOG2) / (3 + 1e-5)
  assert loss.dtype == tf.float32
  np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_next_sentence_loss_is_the_mean_over_the_examples():
  logits = floats([THREE_TO_ONE, [0, 0]])
  loss = losses.next_sentence_loss(logits, tf.constant([1, 0]), 2)
  np.testing.assert_allclose(loss, (LOG4 + LOG2) / 2, rtol=1e-6)


def test_cross_entropy_leaves_out_padding():
  logits = floats([THREE_TO_ONE, [5, -5]])
  loss = losses.cross_entropy(
    logits, tf.constant([1, 1], tf.int64), floats([1, 0]), 1
  )
  np.testing.assert_allclose(loss, LOG4, rtol=1e-6)


def test_soft_cross_entropy_weighs_by_the_teachers_probabilities():
  student = floats([[0, 0], THREE_TO_ONE, [7, 1]])
  teacher = floats([THREE_TO_ONE, THREE_TO_ONE, [0, 0]])
  loss = losses.soft_cross_entropy(student, teacher, floats([1, 1, 0]), 2)
  # 3/4 ln 2 + 1/4 ln 2, and the entropy of (3/4, 1/4): ln 4 - 3/4 ln 3.
  expected = (LOG2 + LOG4 - 0.75 * math.log(3)) / 2
  np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_soft_cross_entropy_sends_its_gradient_to_the_student_only():
  student = floats([[0, 0]])
  teacher = floats([THREE_TO_ONE])
  with tf.GradientTape() as tape:
    tape.watch([student, teacher])
    loss = losses.soft_cross_entropy(student, teacher, floats([1]), 2)
  to_student, to_teacher = tape.gradient(loss, [student, teacher])
  # (student's - teacher's probabilities) / denominator
  np.testing.assert_allclose(to_student, [[-0.125, 0.125]], rtol=1e-6)
  assert to_teacher is None


def test_soft_cross_entropy_at_a_temperature_is_scaled_by_its_square():
  student = floats([[0, 0]])
  # At T = 2 its probabilities are 3/4 and 1/4.
  teacher = floats([[2 * math.log(3), 0]])
  with tf.GradientTape() as tape:
    tape.watch(student)
    loss = losses.soft_cross_entropy(
      student, teacher, floats([1]), 1, temperature=2.0
    )
  np.testing.assert_allclose(loss, 4 * LOG2, rtol=1e-6)
  # T^2 / T times the student's - the teacher's probabilities.
  np.testing.assert_allclose(
    tape.gradient(loss, student), [[-0.5, 0.5]], rtol=1e-6
  )


def test_soft_cross_entropy_of_a_sure_teacher_is_cross_entropy():
  student = floats([[0.3, -1.2, 2.0]])
  soft = losses.soft_cross_entropy(
    student, floats([[0, 1000, 0]]), floats([1]), 1
  )
  hard = losses.cross_entropy(student, tf.constant([1]), floats([1]), 1)
  np.testing.assert_allclose(soft, hard, rtol=1e-6)


def test_squared_error_sums_squares_over_the_denominator():
  loss = losses.squared_error(
    floats([1, 2, 9]), floats([3, 2.5, 0]), floats([1, 1, 0]), 4
  )
  np.testing.assert_allclose(loss, (4 + 0.25) / 4, rtol=1e-6)


def test_squared_error_adds_up_the_outputs_of_an_example():
  loss = losses.squared_error(
    floats([[1, 2], [0, 0]]), floats([[3, 5], [1, 1]]), floats([1, 0]), 1
  )
  np.testing.assert_allclose(loss, 4 + 9, rtol=1e-6)


def test_squared_error_sends_no_gradient_to_the_targets():
  predictions, targets = floats([1]), floats([3])
  with tf.GradientTape() as tape:
    tape.watch([predictions, targets])
    loss = losses.squared_error(predictions, targets, floats([1]), 1)
  to_predictions, to_targets = tape.gradient(loss, [predictions, targets])
  np.testing.assert_allclose(to_predictions, [-4])
  assert to_targets is None


def test_losses_of_the_parts_add_up_to_the_loss_of_the_whole():
  random = np.random.default_rng(0)
  logits = random.normal(size=(5, 3, 7)).astype('float32')
  ids = random.integers(0, 7, size=(5, 3))
  weights = floats([[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]])
  denominator = tf.reduce_sum(weights) + 1e-5

  def loss(rows):
    return losses.cross_entropy(
      tf.constant(logits[rows]),
      tf.constant(ids[rows]),
      weights[rows],
      denominator,
    )

  whole = loss(slice(None))
  parts = loss(slice(0, 1)) + loss(slice(1, 4)) + loss(slice(4, 5))
  np.testing.assert_allclose(parts, whole, rtol=1e-6)


def test_batch_of_padding_only_has_loss_zero():
  loss = losses.cross_entropy(
    floats([[1, 2]]), tf.constant([0]), floats([0]), floats(0)
  )
  assert float(loss) == 0.0


@pytest.mark.parametrize(
  ('call', 'shapes'),
  [
    (
      lambda: losses.weighted_sum(tf.zeros([2, 3]), tf.zeros([2, 4]), 1),
      ['(2, 3)', '(2, 4)'],
    ),
    (
      lambda: losses.next_sentence_loss(
        tf.zeros([3, 2]), tf.zeros([2], tf.int32), 1
      ),
      ['(3,)', '(2,)'],
    ),
    (
      lambda: losses.cross_entropy(
        tf.zeros([3, 2]), tf.zeros([3], tf.int32), tf.zeros([3, 1]), 1
      ),
      ['(3,)', '(3, 1)'],
    ),
    (
      lambda: losses.soft_cross_entropy(
        tf.zeros([3, 2]), tf.zeros([3, 3]), tf.zeros([3]), 1
      ),
      ['(3, 2)', '(3, 3)'],
    ),
    (
      lambda: losses.squared_error(
        tf.zeros([3]), tf.zeros([3, 1]), tf.zeros([3]), 1
      ),
      ['(3,)', '(3, 1)'],
    ),
  ],
)
def test_shapes_that_do_not_match_are_refused_and_shown(call, shapes):
  with pytest.raises(ValueError) as error:
    call()
  for shape in shapes:
    assert shape in str(error.value)
