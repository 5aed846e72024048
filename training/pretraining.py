"""Masked LM and next sentence: what is minimised and what is measured."""

from collections.abc import Mapping

import tensorflow as tf

from modeling.dropout import DropoutKey
from modeling.models import PreTrainer
from system.progress import Progress
from training import losses
from training.fit import LossFunction
from training.metrics import WeightedMean


def make_loss_function(model: PreTrainer) -> LossFunction:
  """Returns the sum of the masked-LM and the next-sentence loss, as BERT's."""

  def loss_function(batch, dropout: DropoutKey | None):
    outputs = model.score(batch, dropout)
    masked_lm_loss = losses.masked_lm_loss(
      outputs['masked_lm_nats'],
      batch['masked_lm_weights'],
      batch['masked_lm_denominator'],
    )
    next_sentence_loss = losses.next_sentence_loss(
      outputs['next_sentence_logits'],
      batch['next_sentence_labels'],
      batch['example_denominator'],
    )
    return {
      'loss': masked_lm_loss + next_sentence_loss,
      'masked_lm_loss': masked_lm_loss,
      'next_sentence_loss': next_sentence_loss,
    }

  return loss_function


def evaluate(
  model: PreTrainer, batches: tf.data.Dataset, max_batches: int
) -> dict[str, float]:
  """Measures both tasks; every masked token and every pair counts once.

  Args:
    model: the model.
    batches: as `input_pipeline.inference_batches`.
    max_batches: how many there may be, to tell how far it has come.

  Returns:
    `masked_lm_accuracy` and `next_sentence_accuracy` in [0, 1],
    `masked_lm_loss` and `next_sentence_loss` in nats, `loss`, their sum, and
    the counts behind them, `masked_lm_count` and `next_sentence_count`.
  """
  names = ('masked_lm', 'next_sentence')
  accuracy = {name: WeightedMean() for name in names}
  loss = {name: WeightedMean() for name in names}
  count_batch = tf.function(
    lambda batch: _sums(model, batch), reduce_retracing=True
  )
  with Progress(max_batches, ' batches') as progress:
    for number, batch in enumerate(batches, start=1):
      for name, (correct, nats, weight) in count_batch(batch).items():
        accuracy[name].update(correct, weight)
        loss[name].update(nats, weight)
      progress.update(number)
    progress.update(max_batches)
  results = {'loss': sum(loss[name].result() for name in names)}
  for name in names:
    results[f'{name}_accuracy'] = accuracy[name].result()
    results[f'{name}_loss'] = loss[name].result()
    results[f'{name}_count'] = accuracy[name].weight
  return results


def _sums(
  model: PreTrainer, batch: Mapping[str, tf.Tensor]
) -> dict[str, tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
  """Returns (correct, nats, weight) of each task, float32 scalars."""
  outputs = model(batch)
  real = tf.cast(batch['example_index'] >= 0, tf.float32)
  return {
    'masked_lm': _count(
      outputs['masked_lm_logits'],
      batch['masked_lm_ids'],
      batch['masked_lm_weights'] * real[:, tf.newaxis],
    ),
    'next_sentence': _count(
      outputs['next_sentence_logits'], batch['next_sentence_labels'], real
    ),
  }


def _count(logits, labels, weights):
  hits = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels
  correct = tf.reduce_sum(tf.cast(hits, tf.float32) * weights)
  nats = losses.cross_entropy(logits, labels, weights, 1.0)
  return correct, nats, tf.reduce_sum(weights)
