"""Losses of hidden states and their gradients, against values by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from training import intermediate_losses, losses

LN3 = math.log(3)


def floats(values):
  return tf.constant(values, tf.float32)


def _random(*shape, seed=0):
  return floats(np.random.default_rng(seed).normal(size=shape))


def test_patient_loss_averages_the_layers_squared_distances_of_directions():
  # [3, 4] and [0, 2] have the directions [0.6, 0.8] and [0, 1], at the squared
  # distance 0.36 + 0.04; opposite directions have 4. The third row is padding.
  student = floats([[[3, 4], [1, 0]], [[1, 1], [0, 5]], [[9, 0], [1, 7]]])
  teacher = floats([[[0, 2], [-2, 0]], [[3, 3], [0, 1]], [[0, 1], [1, 1]]])
  loss = intermediate_losses.patient_loss(
    student, teacher, floats([1, 1, 0]), 2
  )
  np.testing.assert_allclose(loss, ((0.4 + 4) / 2 + 0) / 2, rtol=1e-6)


def test_patient_loss_sends_a_gradient_across_the_students_direction_only():
  student, teacher = floats([[[2, 0]]]), floats([[[0, 3]]])
  with tf.GradientTape() as tape:
    tape.watch([student, teacher])
    loss = intermediate_losses.patient_loss(student, teacher, floats([1]), 1)
  to_student, to_teacher = tape.gradient(loss, [student, teacher])
  # |u - v|^2 = 2 - 2 u v; u changes by 1/2 of a change across the state.
  np.testing.assert_allclose(to_student, [[[0, -1]]], atol=1e-6)
  assert to_teacher is None


def test_cosine_loss_counts_real_tokens():
  student = floats([[[3, 4], [1, 0], [2, 0]], [[1, 1], [5, 0], [7, 1]]])
  teacher = floats([[[0, 2], [-2, 0], [9, 0]], [[3, 3], [0, 1], [1, 1]]])
  weights = floats([[1, 1, 1], [1, 0, 0]])
  loss = intermediate_losses.cosine_loss(student, teacher, weights, 4)
  np.testing.assert_allclose(loss, (0.2 + 2 + 0 + 0) / 4, atol=1e-6)


def test_relation_loss_is_the_divergence_of_the_tokens_relations():
  # One head of size 4: the scores are products over 2. Token 0's products are
  # 2 ln 3 and 0 for the teacher, so 3/4 and 1/4; for the student 1/2 and 1/2.
  # Token 1's are 0 and 0 for both. The third token is padding.
  teacher = {
    'query': floats([[[2, 0, 0, 0], [0, 0, 0, 0], [5, 1, 1, 1]]]),
    'key': floats([[[LN3, 0, 0, 0], [0, 9, 0, 0], [8, 8, 8, 8]]]),
  }
  student = {'query': tf.zeros([1, 3, 4]), 'key': tf.zeros([1, 3, 4])}
  loss = intermediate_losses.relation_loss(
    student, teacher, ['attention'], 1, tf.constant([[1, 1, 0]]), 2
  )
  expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
  np.testing.assert_allclose(loss, expected / 2, rtol=1e-6)


def test_relation_heads_are_averaged_and_relations_are_added_up():
  # Heads of size 1. Token 0's value in head 1 relates to itself by ln 3, to
  # token 1 by 0; in head 0 all relations are 0.
  root = math.sqrt(LN3)
  teacher = {'value': floats([[[0, root], [0, 0]]]), 'key': tf.zeros([1, 2, 2])}
  student = {'value': tf.zeros([1, 2, 2]), 'key': tf.zeros([1, 2, 2])}

  def loss(*relations):
    return intermediate_losses.relation_loss(
      student, teacher, relations, 2, tf.constant([[1, 1]]), 2
    )

  divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
  np.testing.assert_allclose(loss('value'), divergence / 2 / 2, rtol=1e-6)
  np.testing.assert_allclose(loss('key'), 0, atol=1e-7)
  np.testing.assert_allclose(
    loss('value', 'key', 'value'), 2 * loss('value'), rtol=1e-6
  )


def _vectors(width, seed):
  names = ('query', 'key', 'value')
  return {n: _random(2, 5, width, seed=seed + i) for i, n in enumerate(names)}


def test_models_of_other_widths_have_relations_to_compare():
  mask = tf.constant([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
  relations = list(intermediate_losses.RELATIONS)

  def loss(student, teacher):
    return float(
      intermediate_losses.relation_loss(student, teacher, relations, 4, mask, 8)
    )

  narrow, wide = _vectors(8, 0), _vectors(12, 5)
  assert loss(narrow, wide) > 0.1
  assert loss(wide, wide) == pytest.approx(0, abs=1e-6)
  # A rotation inside each head changes no relation.
  angle = np.float32([[0.6, 0.8], [-0.8, 0.6]])
  rotation = np.kron(np.eye(4, dtype=np.float32), angle)
  rotated = {name: x @ rotation for name, x in narrow.items()}
  assert loss(rotated, wide) == pytest.approx(loss(narrow, wide), rel=1e-5)


def test_padding_changes_no_relation():
  student, teacher = _vectors(8, 0), _vectors(12, 5)

  def loss(length, change=0.0):
    mask = tf.constant([[1, 1, 1, 0, 0]] * 2)[:, :length]
    shift = change * (1.0 - tf.cast(mask, tf.float32))[..., tf.newaxis]
    cut = [
      {name: x[:, :length] + shift for name, x in model.items()}
      for model in (student, teacher)
    ]
    return float(
      intermediate_losses.relation_loss(
        *cut, ['attention', 'value'], 4, mask, 6
      )
    )

  assert loss(3) == pytest.approx(loss(5), rel=1e-5)
  assert loss(5, change=3.0) == pytest.approx(loss(5), rel=1e-5)


def test_relation_loss_sends_its_gradient_to_the_student_only():
  student, teacher = _vectors(4, 0), _vectors(4, 5)
  with tf.GradientTape() as tape:
    tape.watch([student, teacher])
    loss = intermediate_losses.relation_loss(
      student, teacher, ['query'], 2, tf.ones([2, 5], tf.int32), 10
    )
  to_student, to_teacher = tape.gradient(loss, [student, teacher])
  assert np.abs(to_student['query']).max() > 1e-3
  assert set(to_teacher.values()) == {None}


def _losses(rows):
  """Returns the three losses of some of five examples."""
  mask = tf.constant(
    [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
  )[rows]
  student = {n: _random(5, 4, 8, seed=1)[rows] for n in ('query', 'key')}
  teacher = {n: _random(5, 4, 4, seed=2)[rows] for n in ('query', 'key')}
  states = _random(5, 4, 6, seed=3)[rows], _random(5, 4, 6, seed=4)[rows]
  weights = floats([1, 1, 1, 0, 1])[rows]
  return [
    intermediate_losses.patient_loss(*states, weights, 4),
    intermediate_losses.cosine_loss(*states, tf.cast(mask, tf.float32), 14),
    intermediate_losses.relation_loss(
      student, teacher, ['attention'], 2, mask, 14
    ),
  ]


def test_losses_of_the_parts_add_up_to_the_loss_of_the_whole():
  parts = [_losses(rows) for rows in (slice(0, 1), slice(1, 4), slice(4, 5))]
  whole = _losses(slice(None))
  np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-5)
  assert min(map(float, whole)) > 0.01


def test_the_soft_masked_lm_loss_takes_logits_of_each_position():
  student = tf.zeros([1, 3, 2])
  # At T = 2 the probabilities are 3/4 and 1/4 in both real positions.
  teacher = floats([[[2 * LN3, 0], [0, 2 * LN3], [9, 0]]])
  loss = losses.soft_cross_entropy(
    student, teacher, floats([[1, 1, 0]]), 2, temperature=2.0
  )
  np.testing.assert_allclose(loss, 4 * math.log(2), rtol=1e-6)


@pytest.mark.parametrize(
  'call',
  [
    lambda a, b: intermediate_losses.patient_loss(a, b, tf.ones([2]), 1),
    lambda a, b: intermediate_losses.cosine_loss(a, b, tf.ones([2, 3]), 1),
    lambda a, b: intermediate_losses.relation_loss(
      {'key': a}, {'key': b[:1]}, ['key'], 2, tf.ones([2, 3]), 1
    ),
  ],
)
def test_shapes_that_do_not_match_are_refused_and_shown(call):
  with pytest.raises(ValueError, match=r'\(2, .*\(2, 3, 8|\(2, 2.*\(1, 2'):
    call(tf.zeros([2, 3, 4]), tf.zeros([2, 3, 8]))
