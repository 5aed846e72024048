"""Losses of a student under its teacher's hidden states.

Like those of `losses`, they are weighted sums over a denominator of the global
batch. Teachers' values are constants: no gradient flows to them. The soft
masked-LM loss of DistilBERT is `losses.soft_cross_entropy` of [B, P, V].
"""

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf

from modeling.attention import padding_scores
from training import losses

# The name of a relation → the vectors whose scaled products it consists of.
# MiniLM (Wang et al. 2020, arXiv 2002.10957) uses attention and value; MiniLMv2
# (Wang et al. 2021, arXiv 2012.15828) uses query, key and value.
RELATIONS = {
  'attention': ('query', 'key'),
  'query': ('query', 'query'),
  'key': ('key', 'key'),
  'value': ('value', 'value'),
}


def patient_loss(
  student_states: tf.Tensor,
  teacher_states: tf.Tensor,
  example_weights: tf.Tensor,
  denominator: tf.Tensor | float,
) -> tf.Tensor:
  """Compares directions of [CLS] states: Sun et al. 2019 (arXiv 1908.09355).

  An example's loss is the squared distance between the states of unit length,
  averaged over the M layers. The paper's equation 7 adds up the layers. Its
  authors' code also averages over H, so their beta is H times as large as an
  equal weight here.

  Args:
    student_states: float32 [B, M, H].
    teacher_states: float32 [B, M, H].
    example_weights: float32 [B]; 1.0 real, 0.0 padding.
    denominator: usually the global batch's sum of weights.

  Returns:
    float32 scalar; 0 to 4 if the denominator is the sum of weights.

  Raises:
    ValueError: the shapes don't match; they are shown.
  """
  _check_states(student_states, teacher_states)
  student = tf.math.l2_normalize(student_states, axis=-1)
  teacher = tf.math.l2_normalize(tf.stop_gradient(teacher_states), axis=-1)
  squares = tf.math.squared_difference(student, teacher)
  distances = tf.reduce_mean(tf.reduce_sum(squares, axis=-1), axis=-1)
  return losses.weighted_sum(distances, example_weights, denominator)


def cosine_loss(
  student_states: tf.Tensor,
  teacher_states: tf.Tensor,
  token_weights: tf.Tensor,
  denominator: tf.Tensor | float,
) -> tf.Tensor:
  """Sums 1 - cos(student, teacher) of tokens: DistilBERT's cosine loss.

  Source: Sanh et al. 2019 (arXiv 1910.01108), section 3.

  Args:
    student_states: float32 [B, S, H].
    teacher_states: float32 [B, S, H].
    token_weights: float32 [B, S]; 1.0 real, 0.0 padding.
    denominator: usually the global batch's sum of weights.

  Returns:
    float32 scalar; 0 to 2 if the denominator is the sum of weights.

  Raises:
    ValueError: the shapes don't match; they are shown.
  """
  _check_states(student_states, teacher_states)
  student = tf.math.l2_normalize(student_states, axis=-1)
  teacher = tf.math.l2_normalize(tf.stop_gradient(teacher_states), axis=-1)
  distances = 1.0 - tf.reduce_sum(student * teacher, axis=-1)
  return losses.weighted_sum(distances, token_weights, denominator)


def relation_loss(
  student: Mapping[str, tf.Tensor],
  teacher: Mapping[str, tf.Tensor],
  relations: Sequence[str],
  num_heads: int,
  input_mask: tf.Tensor,
  denominator: tf.Tensor | float,
) -> tf.Tensor:
  """Compares how tokens relate to each other: MiniLM's and MiniLMv2's loss.

  Each model's vectors are cut into A relation heads of size d = H / A, which
  may differ between the models: only softmax(a b^T / sqrt(d)), [B, A, S, S], is
  compared. A relation's loss is KL(teacher || student), averaged over heads and
  summed over real tokens; those of several relations are added up.

  Args:
    student: float32 `query`, `key`, `value` [B, S, H], as far as needed.
    teacher: the same of the teacher, which may have another H.
    relations: names in `RELATIONS`.
    num_heads: A, which divides both H.
    input_mask: int [B, S]; 1 for a token, 0 for padding.
    denominator: usually the number of tokens in the global batch.

  Returns:
    float32 scalar in nats.

  Raises:
    ValueError: the numbers of examples or tokens don't match.
  """
  weights = tf.cast(input_mask, tf.float32)
  padding = padding_scores(input_mask)
  total = tf.zeros_like(weights)
  for relation in relations:
    ours, theirs = (
      _scores([model[name] for name in RELATIONS[relation]], num_heads)
      for model in (student, teacher)
    )
    losses.check_same_shape('student', ours.shape, 'teacher', theirs.shape)
    total += _divergences(ours + padding, tf.stop_gradient(theirs) + padding)
  return losses.weighted_sum(total, weights, denominator)


def _scores(vectors: Sequence[tf.Tensor], num_heads: int) -> tf.Tensor:
  """Returns the scaled products of two vectors' heads, [B, A, S, S]."""
  size = vectors[0].shape[-1] // num_heads
  first, second = (
    tf.transpose(
      tf.reshape(x, [tf.shape(x)[0], -1, num_heads, size]), [0, 2, 1, 3]
    )
    for x in vectors
  )
  return tf.matmul(first, second, transpose_b=True) / math.sqrt(size)


def _divergences(student: tf.Tensor, teacher: tf.Tensor) -> tf.Tensor:
  """Returns KL(teacher || student) of the softmax of scores.

  Args:
    student: float32 [B, A, S, S].
    teacher: float32 [B, A, S, S].

  Returns:
    float32 [B, S], averaged over A.
  """
  ours, theirs = tf.nn.log_softmax(student), tf.nn.log_softmax(teacher)
  divergences = tf.reduce_sum(tf.exp(theirs) * (theirs - ours), axis=-1)
  return tf.reduce_mean(divergences, axis=1)


def _check_states(student: tf.Tensor, teacher: tf.Tensor) -> None:
  losses.check_same_shape(
    'student_states', student.shape, 'teacher_states', teacher.shape
  )
