"""Pre-training with a teacher: the losses of DistilBERT and of MiniLM.

The teacher is loaded first, is frozen, and is never saved with the student. It
runs inside the training step, on the student's batch, without dropout. Unlike
in distillation, there is no dump: S*H floats of hidden states for each record
(393 KB for S = 128 and H = 768), or P*V masked-LM logits (2.4 MB for P = 20 and
V = 30,522), take longer to read than to compute, and masks that are drawn
during training differ in each epoch.

Tested by `tests/training/pretraining_distillation_test.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

from modeling import hidden_states
from modeling.checkpoints import loading, location, stored_weights
from modeling.checkpoints.location import Checkpoint
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.heads import MaskedLmHead
from modeling.layers import WeightInit
from modeling.models import PreTrainer, released_variables
from system.errors import UserError, few
from system.settings import weights_decided_by
from training import (
  checkpoint_choice,
  intermediate_losses,
  losses,
  model_config,
)
from training.model_config import TokenizerRecord
from training.pretraining_options import (
  PretrainingDistillationOptions,
  PretrainingOptions,
)
from training.trainer import LossFunction

_MASKED_LM_HEAD = 'cls/predictions/'


@dataclasses.dataclass(frozen=True)
class Teacher:
  """A teacher's checkpoint and configuration, which fit the student."""

  checkpoint: Checkpoint
  config: BertConfig


@dataclasses.dataclass(frozen=True)
class PretrainingDistillation:
  """A loaded teacher, and what a student imitates of it.

  Attributes:
    teacher: with its weights.
    options: the weights of the losses.
    checksum: the teacher's.
  """

  teacher: PreTrainer
  options: PretrainingDistillationOptions
  checksum: str = ''

  def identity(self) -> dict[str, Any]:
    """Returns the part of a run's identity that the teacher gives."""
    return {
      **weights_decided_by(self.options),
      'teacher_checkpoint': self.checksum,
      'teacher_config': self.teacher.config.to_dict(),
    }

  def loss_function(self, student: PreTrainer) -> LossFunction:
    """Returns the weighted sum of the chosen losses, and each of them.

    The names of the losses end with `_loss`; they are not weighted.
    """
    shared, own = self._shared(), self._own()
    num_heads = _num_relation_heads(self.options, student.config)

    def loss_function(batch, dropout: DropoutKey | None):
      theirs = hidden_states.of_pretrainer(self.teacher, batch, shared)
      ours = hidden_states.of_pretrainer(
        student, batch, {*shared, *own}, dropout
      )
      values = self._soft_losses(ours, theirs, batch, num_heads)
      weights = {
        name: getattr(self.options, f'{name}_weight') for name in values
      }
      if own:
        hard = _hard_losses(ours, batch)
        weights |= dict.fromkeys(hard, self.options.hard_loss_weight)
        values |= hard
      loss = tf.add_n([weights[name] * x for name, x in values.items()])
      return {'loss': loss, **{f'{k}_loss': x for k, x in values.items()}}

    return loss_function

  def _shared(self) -> set[str]:
    """Returns the outputs to compute for both student and teacher."""
    options, names = self.options, set()
    if options.soft_masked_lm_weight:
      names.add('masked_lm_logits')
    if options.cosine_weight:
      names.add('sequence_output')
    if options.relation_weight:
      for relation in options.relations.split(','):
        names.update(intermediate_losses.RELATIONS[relation])
    return names

  def _own(self) -> set[str]:
    """Returns the student's outputs that the hard losses need."""
    if not self.options.hard_loss_weight:
      return set()
    # Where the logits are computed anyway, the cross-entropies come from them.
    masked = 'logits' if self.options.soft_masked_lm_weight else 'nats'
    return {f'masked_lm_{masked}', 'next_sentence_logits'}

  def _soft_losses(
    self,
    ours: Mapping[str, tf.Tensor],
    theirs: Mapping[str, tf.Tensor],
    batch: Mapping[str, tf.Tensor],
    num_relation_heads: int,
  ) -> dict[str, tf.Tensor]:
    """Returns the losses under the teacher, by the names of their weights."""
    options, values = self.options, {}
    num_tokens = batch['token_denominator']
    if options.soft_masked_lm_weight:
      values['soft_masked_lm'] = losses.soft_cross_entropy(
        ours['masked_lm_logits'],
        theirs['masked_lm_logits'],
        batch['masked_lm_weights'],
        batch['masked_lm_denominator'],
        options.soft_masked_lm_temperature,
      )
    if options.cosine_weight:
      values['cosine'] = intermediate_losses.cosine_loss(
        ours['sequence_output'],
        theirs['sequence_output'],
        tf.cast(batch['input_mask'], tf.float32),
        num_tokens,
      )
    if options.relation_weight:
      values['relation'] = intermediate_losses.relation_loss(
        ours,
        theirs,
        options.relations.split(','),
        num_relation_heads,
        batch['input_mask'],
        num_tokens,
      )
    return values


def _hard_losses(
  ours: Mapping[str, tf.Tensor], batch: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
  """Returns `masked_lm` and `next_sentence`, BERT's losses."""
  nats = ours.get('masked_lm_nats')
  if nats is None:
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
      batch['masked_lm_ids'], ours['masked_lm_logits']
    )
  values = losses.pretraining_losses(nats, ours['next_sentence_logits'], batch)
  return {name.removesuffix('_loss'): x for name, x in values.items()}


def find_teacher(
  options: PretrainingOptions, config: BertConfig, text: TokenizerRecord
) -> Teacher | None:
  """Returns the teacher of a job; None if it trains without one.

  Args:
    options: all settings of the job.
    config: the student's.
    text: the vocabulary of the records.

  Raises:
    UserError: there is no such checkpoint, or it lacks what the student is to
      imitate, or has another vocabulary, too few positions or another width; or
      `freeze` keeps all of the student's layers fixed, which are to imitate it.
  """
  chosen = options.distillation
  if not (options.training.do_train and chosen.teacher_checkpoint):
    return None
  _check_freeze(options, config.num_hidden_layers)
  checkpoint = location.locate(chosen.teacher_checkpoint)
  source, theirs = model_config.read_teacher_config(chosen, checkpoint)
  model_config.check_fit(source, theirs, text, options.model.max_seq_length)
  _check_vocabulary(checkpoint, text)
  _check_sizes(theirs, config, chosen)
  if chosen.soft_masked_lm_weight:
    _check_head(checkpoint, theirs)
  return Teacher(checkpoint, theirs)


def _check_freeze(options: PretrainingOptions, num_layers: int) -> None:
  """Raises a `UserError` if a loss of hidden states reaches no weight."""
  for name in ('cosine_weight', 'relation_weight'):
    weight = getattr(options.distillation, name)
    if weight and options.training.freeze == str(num_layers):
      raise UserError(
        f'`{name}`={weight} cannot take effect: `freeze`={num_layers} keeps '
        "all of the student's layers fixed"
      )


def _check_vocabulary(checkpoint: Checkpoint, text: TokenizerRecord) -> None:
  """Raises a `UserError` unless both vocabularies are known to be equal."""
  if not checkpoint.vocab_file:
    raise UserError(
      f'there is no vocab.txt next to {checkpoint.prefix}: expected the '
      "teacher's vocabulary, to compare it with the records'"
    )
  if not text.vocab_checksum:
    raise UserError(
      '`teacher_checkpoint` needs `vocab_file`: the records do not name their '
      "vocabulary, which must be the teacher's"
    )
  checkpoint_choice.check_text(checkpoint, text, 'teacher_checkpoint')


def _check_sizes(
  theirs: BertConfig, ours: BertConfig, options: PretrainingDistillationOptions
) -> None:
  """Compares the sizes that the losses and the inputs need."""
  for key in ('vocab_size', 'type_vocab_size'):
    found, expected = getattr(theirs, key), getattr(ours, key)
    if found != expected:
      raise UserError(
        f'`teacher_checkpoint`: the teacher has {key} {found}, the student '
        f'{expected}: expected the same, because they read the same records'
      )
  widths = theirs.hidden_size, ours.hidden_size
  if options.cosine_weight and widths[0] != widths[1]:
    raise UserError(
      f'`cosine_weight`={options.cosine_weight} needs a teacher of the '
      f"student's width: the teacher has hidden_size {widths[0]}, the student "
      f'{widths[1]}'
    )
  number = _num_relation_heads(options, ours)
  if options.relation_weight and any(width % number for width in widths):
    raise UserError(
      f'`num_relation_heads`={number} must divide the hidden_size of the '
      f'teacher, {widths[0]}, and of the student, {widths[1]}'
    )


def _num_relation_heads(
  options: PretrainingDistillationOptions, student: BertConfig
) -> int:
  return options.num_relation_heads or student.num_attention_heads


def _check_head(checkpoint: Checkpoint, config: BertConfig) -> None:
  """Raises a `UserError` if a teacher's masked-LM head is missing."""
  stored = stored_weights.read_variables(checkpoint)
  # In a graph: an eager op would fix TensorFlow's devices, and the strategy is
  # made later.
  with tf.Graph().as_default():
    head = MaskedLmHead(config, WeightInit(0.0, 0), 'float32')
  missing = [name for name in released_variables(head) if name not in stored]
  if missing:
    raise UserError(
      '`soft_masked_lm_weight` needs a teacher with a masked-LM head, as '
      f'run_pretraining.py makes it: {checkpoint.prefix} lacks '
      f'{few(missing)}'
    )


def _is_of_head(name: str) -> bool:
  return name.startswith(_MASKED_LM_HEAD)


def load(
  teacher: Teacher, options: PretrainingOptions
) -> PretrainingDistillation:
  """Loads a teacher; call it in the strategy's scope, before the student.

  Raises:
    UserError: the checkpoint lacks a weight, or it has another shape.
  """
  chosen = options.distillation
  model = PreTrainer(teacher.config, options.devices.precision)

  def is_used(name: str) -> bool:
    if _is_of_head(name):
      return chosen.soft_masked_lm_weight > 0
    return name.startswith(('bert/embeddings/', 'bert/encoder/'))

  report = loading.load_released(
    teacher.checkpoint, released_variables(model), is_used
  )
  logging.info('The teacher: %s', report.summary())
  return PretrainingDistillation(model, chosen, teacher.checkpoint.checksum())
