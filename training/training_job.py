"""A training job as a value: a model, its loss, and the batches it takes.

`training.pretraining`, `training.fine_tuning` and `distillation.student` make
jobs; `training.run` trains them, and `tools.tpu_preflight` compiles them for a
TPU without training.

Tested by `tests/devices/step_program_test.py` and
`tests/tools/tpu_preflight_test.py`.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow as tf

from data.records import batch_signatures
from data.records.feature_spec import Field
from modeling.models import released_variables
from training.trainer import LossFunction


@dataclasses.dataclass(frozen=True)
class TrainingJob:
  """What one training step computes, for any number of replicas.

  Attributes:
    model: with `config`; its weights carry released names.
    loss_function: (batch, dropout key) → losses; see `LossFunction`.
    fields: the fields of a training record.
    dims: letter in the fields' shapes → size: S, and P or C.
    unexported_variables: variables of the loss, by name. They are trained, and
      saved for resuming, but are not part of exported checkpoints.
  """

  model: tf.Module
  loss_function: LossFunction
  fields: Sequence[Field]
  dims: Mapping[str, int]
  unexported_variables: Mapping[str, tf.Variable] = dataclasses.field(
    default_factory=dict
  )

  @property
  def num_layers(self) -> int:
    """The number of the encoder's layers, L."""
    return self.model.config.num_hidden_layers

  @property
  def variables(self) -> dict[str, tf.Variable]:
    """The model's variables by their released names."""
    return released_variables(self.model)

  @property
  def all_variables(self) -> dict[str, tf.Variable]:
    """The variables to train and to save, by name: the model's come first."""
    return {**self.variables, **self.unexported_variables}

  def signature(
    self, rows: int, length: int | None = None
  ) -> dict[str, tf.TensorSpec]:
    """Returns the shapes and dtypes of one replica's batch.

    Args:
      rows: examples in the batch.
      length: tokens of each example; S if None.
    """
    dims = {**self.dims, 'S': length or self.dims['S']}
    return batch_signatures.training_signature(self.fields, dims, rows)
