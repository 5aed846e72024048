"""The settings of a student. Nothing here imports TensorFlow.

Tested by `tests/distillation/patient_kd_test.py` and
`tests/scripts/run_distillation_test.py`.
"""

import dataclasses

from distillation.dump_options import ascending_layers
from system.errors import UserError
from system.settings import setting


@dataclasses.dataclass(frozen=True)
class StudentOptions:
  """How a student learns from its dumps."""

  temperature: float = setting(
    1.0,
    "Added: T. The teacher's and the student's logits are divided by T before "
    'the softmax, and the soft loss is multiplied by T^2 to keep the size of '
    'its gradient (Hinton et al. 2015). Turc et al. use 1.',
    at_least=0.01,
    needs=('do_train',),
    decides_weights=True,
  )
  hard_label_weight: float = setting(
    0.0,
    'Added: w. The loss of a text with a label is (1 - w) times its soft loss '
    'plus w times the loss of the label. Only texts of --transfer_split have '
    'labels.',
    at_least=0.0,
    at_most=1.0,
    needs=('do_train',),
    decides_weights=True,
  )
  patient_weight: float = setting(
    0.0,
    'Added: beta of Patient KD (Sun et al. 2019). Adds beta times the squared '
    "distance between the directions of the student's and the teacher's [CLS] "
    "states, averaged over the dump's layers (--dump_cls_layers). If the "
    "widths differ, a trained linear map of the student's states is compared; "
    'exported checkpoints lack it. 0 is the loss of Turc et al.',
    at_least=0.0,
    needs=('do_train', 'freeze!=encoder'),
    decides_weights=True,
  )
  patient_layers: tuple[str, ...] = setting(
    (),
    "Added: the student's layers, counted from 1 and separated by commas, that "
    "match the dump's, one for each. The default spreads them evenly below the "
    'last layer.',
    needs=('do_train', 'patient_weight>0'),
    decides_weights=True,
  )
  # Settings that --from_run brought: they need not take effect.
  inherited: frozenset[str] = frozenset()

  def layers(self) -> list[int]:
    """Returns the layers of `patient_layers`.

    Raises:
      UserError: they are not ascending numbers.
    """
    return ascending_layers('patient_layers', self.patient_layers)

  def check_hard_labels(self, has_labels: bool) -> None:
    """Checks that `hard_label_weight` can take effect.

    Args:
      has_labels: whether a text of the dump has a label.

    Raises:
      UserError: it cannot.
    """
    if (weight := self.hard_label_weight) and not has_labels:
      raise UserError(
        f'`hard_label_weight`={weight} cannot take effect: no text of the dump '
        'has a label (`transfer_split`=train adds some)'
      )
