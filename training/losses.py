"""Weighted losses: sums over the batch, divided by a given denominator.

The denominator is computed on the global batch before it is split, and every
part of the batch carries it. Hence the losses and gradients of the parts add up
to those of the whole batch, however it is split. With a denominator of 0 (a
batch of padding only) a loss is 0.
"""

from collections.abc import Mapping

import tensorflow as tf


def pretraining_losses(
  masked_lm_nats: tf.Tensor,
  next_sentence_logits: tf.Tensor,
  batch: Mapping[str, tf.Tensor],
) -> dict[str, tf.Tensor]:
  """Returns BERT's two losses: `masked_lm_loss` and `next_sentence_loss`.

  Args:
    masked_lm_nats: float32 [B, P], the masked tokens' cross-entropies, as
      `models.PreTrainer.score` returns them.
    next_sentence_logits: as for `next_sentence_loss`.
    batch: the labels, weights and denominators. That of the masked tokens is
      their number in the global batch plus 1e-5, as in google-research/bert.
  """
  return {
    'masked_lm_loss': weighted_sum(
      masked_lm_nats, batch['masked_lm_weights'], batch['masked_lm_denominator']
    ),
    'next_sentence_loss': next_sentence_loss(
      next_sentence_logits,
      batch['next_sentence_labels'],
      batch['example_denominator'],
    ),
  }


def next_sentence_loss(
  logits: tf.Tensor, labels: tf.Tensor, denominator: tf.Tensor | float
) -> tf.Tensor:
  """Sums the next-sentence cross-entropies over a denominator.

  Args:
    logits: float32 [B, 2], unnormalised.
    labels: int [B]; 0 if B follows A, 1 if B is a random sentence.
    denominator: the number of examples in the global batch.

  Returns:
    float32 scalar in nats.

  Raises:
    ValueError: the shapes don't match; they are shown.
  """
  weights = tf.ones_like(labels, dtype=tf.float32)
  return cross_entropy(logits, labels, weights, denominator)


def cross_entropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  example_weights: tf.Tensor,
  denominator: tf.Tensor | float,
) -> tf.Tensor:
  """Sums the weighted cross-entropies of hard labels over a denominator.

  Args:
    logits: float32 [..., C], unnormalised.
    labels: int [...], in [0, C).
    example_weights: float32 [...]; 1.0 real, 0.0 padding.
    denominator: usually the global batch's sum of weights.

  Returns:
    float32 scalar in nats.

  Raises:
    ValueError: the shapes don't match; they are shown.
  """
  check_same_shape(
    'logits without C', logits.shape[:-1], 'labels', labels.shape
  )
  nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  return weighted_sum(nats, example_weights, denominator)


def soft_cross_entropy(
  student_logits: tf.Tensor,
  teacher_logits: tf.Tensor,
  example_weights: tf.Tensor,
  denominator: tf.Tensor | float,
  temperature: float = 1.0,
) -> tf.Tensor:
  """Sums the student's cross-entropies under the teacher's soft labels.

  With a temperature T both logits are divided by T, and the cross-entropy is
  multiplied by T^2, so that its gradient keeps its size (Hinton et al. 2015,
  arXiv 1503.02531, section 2). T = 1, the default, gives the loss of Turc et
  al.

  Args:
    student_logits: float32 [..., C], unnormalised.
    teacher_logits: float32 [..., C]; constants, no gradient flows.
    example_weights: float32 [...]; 1.0 real, 0.0 padding.
    denominator: usually the global batch's sum of weights.
    temperature: T, above 0.

  Returns:
    float32 scalar in nats.

  Raises:
    ValueError: the shapes don't match; they are shown.
  """
  check_same_shape(
    'student_logits',
    student_logits.shape,
    'teacher_logits',
    teacher_logits.shape,
  )
  soft_labels = tf.stop_gradient(tf.nn.softmax(teacher_logits / temperature))
  nats = tf.nn.softmax_cross_entropy_with_logits(
    soft_labels, student_logits / temperature
  )
  return temperature**2 * weighted_sum(nats, example_weights, denominator)


def squared_error(
  predictions: tf.Tensor,
  targets: tf.Tensor,
  example_weights: tf.Tensor,
  denominator: tf.Tensor | float,
) -> tf.Tensor:
  """Sums the weighted squared errors over a denominator.

  Args:
    predictions: float32 [B] or [B, C]; the squared errors of an example's C
      outputs are added.
    targets: as `predictions`; constants, no gradient flows.
    example_weights: float32 [B]; 1.0 real, 0.0 padding.
    denominator: usually the global batch's sum of weights.

  Returns:
    float32 scalar in squared units of the target.

  Raises:
    ValueError: the shapes don't match; they are shown.
  """
  check_same_shape('predictions', predictions.shape, 'targets', targets.shape)
  errors = tf.math.squared_difference(predictions, tf.stop_gradient(targets))
  if errors.shape.rank == 2:
    errors = tf.reduce_sum(errors, axis=-1)
  return weighted_sum(errors, example_weights, denominator)


def weighted_sum(
  values: tf.Tensor, weights: tf.Tensor, denominator: tf.Tensor | float
) -> tf.Tensor:
  """Sums values times weights of one shape over a denominator.

  Raises:
    ValueError: the shapes don't match; they are shown.
  """
  check_same_shape('losses', values.shape, 'weights', weights.shape)
  total = tf.reduce_sum(values * weights)
  return tf.math.divide_no_nan(total, tf.cast(denominator, total.dtype))


def check_same_shape(
  first_name: str,
  first: tf.TensorShape,
  second_name: str,
  second: tf.TensorShape,
) -> None:
  """Raises a `ValueError` that shows two shapes if they differ."""
  # Broadcasting [B] against [B, 1] would silently sum B * B terms.
  if not first.is_compatible_with(second):
    raise ValueError(
      f'{first_name} has shape {first}, {second_name} has shape {second}'
    )
