"""Patient KD: a student matches the [CLS] states of several teacher layers.

Source: Sun et al. 2019 (arXiv 1908.09355). The states come from the dump, so
the teacher still runs once. The paper's teachers and students are equally wide;
if the widths differ, a linear map for each layer is trained with the student.
It is not part of released BERT: the state that a run resumes from holds it, the
exported checkpoints do not.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow as tf

from distillation import dump_manifest
from distillation.dump_manifest import Manifest
from distillation.student_options import StudentOptions
from modeling import hidden_states
from modeling.configs import BertConfig
from modeling.dropout import DropoutKey
from modeling.layers import WeightInit
from modeling.models import Classifier
from system.errors import UserError
from training import intermediate_losses

_PROJECTION = 'patience/projection'


@dataclasses.dataclass(frozen=True)
class PatientKd:
  """Which states a student matches, and how.

  Attributes:
    weight: beta, above 0.
    layers: M of the student's layers, from 1.
    teacher_size: H of the teacher.
    projection: float32 [M, H of the student, H of the teacher]; None if the
      widths are equal.
  """

  weight: float
  layers: Sequence[int]
  teacher_size: int
  projection: tf.Variable | None

  @property
  def variables(self) -> dict[str, tf.Variable]:
    """The trained variables in addition to the student's, by name."""
    return {} if self.projection is None else {_PROJECTION: self.projection}

  def outputs(
    self,
    model: Classifier,
    batch: Mapping[str, tf.Tensor],
    dropout: DropoutKey | None,
  ) -> dict[str, tf.Tensor]:
    """Returns the student's `logits` [B, C] and `cls_states` [B, M, H]."""
    return hidden_states.of_classifier(model, batch, self.layers, dropout)

  def loss(
    self, states: tf.Tensor, batch: Mapping[str, tf.Tensor]
  ) -> tf.Tensor:
    """Returns `intermediate_losses.patient_loss` of a batch.

    Args:
      states: float32 [B, M, H], the student's.
      batch: with `teacher_cls_states`, float32 [B, M*H of the teacher].
    """
    if self.projection is not None:
      states = tf.einsum('bmh,mht->bmt', states, self.projection)
    theirs = tf.reshape(
      batch['teacher_cls_states'], [-1, len(self.layers), self.teacher_size]
    )
    weights = tf.ones_like(theirs[:, 0, 0])
    return intermediate_losses.patient_loss(
      states, theirs, weights, batch['example_denominator']
    )


def make(
  options: StudentOptions,
  dumps: Mapping[str, Manifest],
  config: BertConfig,
  seed: int,
) -> PatientKd | None:
  """Returns what the student's options request; None for the logits only.

  Call it in the strategy's scope, in which the student was made.

  Args:
    options: the student's.
    dumps: folder → manifest of the dumps that it learns from.
    config: the student's.
    seed: of the initial weights.

  Raises:
    UserError: the dumps have no states that the student can match.
  """
  if not options.patient_weight:
    return None
  manifest = _only(options, dumps)
  layers = student_layers(
    options.layers(), len(manifest.cls_layers), config.num_hidden_layers
  )
  projection = None
  if config.hidden_size != manifest.cls_size:
    shape = (len(layers), config.hidden_size, manifest.cls_size)
    init = WeightInit(config.initializer_range, seed).normal(_PROJECTION)
    projection = tf.Variable(init(shape), name=_PROJECTION)
  return PatientKd(
    options.patient_weight, layers, manifest.cls_size, projection
  )


def _only(options: StudentOptions, dumps: Mapping[str, Manifest]) -> Manifest:
  """Returns the one dump's manifest; it has states."""
  label = f'`patient_weight`={options.patient_weight}'
  if len(dumps) > 1:
    raise UserError(
      f'{label} needs one teacher, whose states the student matches; '
      f'`logits_dir` names {len(dumps)} dumps: {", ".join(dumps)}'
    )
  ((folder, manifest),) = dumps.items()
  if not manifest.cls_layers:
    reason = (
      'it merges several teachers'
      if manifest.merged_from
      else ('make it with `dump_cls_layers`')
    )
    raise UserError(
      f'{label} cannot take effect: the dump in {folder} has no [CLS] states '
      f'(cls_layers in {dump_manifest.FILE_NAME}): {reason}'
    )
  return manifest


def check_freeze(
  options: StudentOptions, layers: Sequence[int], freeze: str | None
) -> None:
  """Checks that `freeze` lets the student approach the teacher's states.

  Args:
    options: the student's.
    layers: the student's layers that match the dump's, in order.
    freeze: as for `variable_groups.is_frozen`.

  Raises:
    UserError: no weight below any of these states is trained.
  """
  is_own = 'patient_weight' not in options.inherited
  num_frozen = int(freeze) if freeze and freeze.isdecimal() else 0
  if is_own and layers[-1] <= num_frozen:
    raise UserError(
      f'`patient_weight`={options.patient_weight} cannot take effect: '
      f'`freeze`={freeze} keeps the layers fixed that match the dump: '
      f'{", ".join(map(str, layers))} (`patient_layers`)'
    )


def student_layers(
  given: Sequence[int], num_matched: int, num_layers: int
) -> list[int]:
  """Returns the student's layers that match the dump's, in order.

  >>> student_layers([], 2, num_layers=6)
  [2, 4]

  Args:
    given: the user's choice; empty to spread them below the last layer, whose
      state the logits teach already.
    num_matched: M, the number of the dump's layers.
    num_layers: L of the student.

  Raises:
    UserError: there are not M such layers.
  """
  if given:
    if len(given) != num_matched or given[-1] > num_layers:
      raise UserError(
        f'`patient_layers`={",".join(map(str, given))}: the dump has states of '
        f'{num_matched} layers, the student has {num_layers} layers: expected '
        f'{num_matched} of the numbers 1 to {num_layers}'
      )
    return list(given)
  if num_matched >= num_layers:
    raise UserError(
      f'the dump has [CLS] states of {num_matched} layers, but the student has '
      f'only {num_layers - 1} below its last: name {num_matched} of its layers '
      'with `patient_layers`, or make a dump with fewer `dump_cls_layers`'
    )
  return [
    n * num_layers // (num_matched + 1) for n in range(1, num_matched + 1)
  ]
