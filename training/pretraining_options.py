"""The settings of run_pretraining.py. Nothing here imports TensorFlow.

Tested by `tests/training/pretraining_distillation_test.py` and
`tests/scripts/run_pretraining_test.py`.
"""

import dataclasses

from data.text.vocabulary_options import VocabularyOptions
from devices.options import DeviceOptions
from modeling.options import ModelOptions
from system.settings import setting
from training.evaluation_options import EvaluationOptions
from training.options import RunSettings, TeacherOptions

_HAS_TEACHER = ('do_train', 'teacher_checkpoint')
# The loss reaches only the encoder, not the heads.
_TRAINS_ENCODER = (*_HAS_TEACHER, 'freeze!=encoder')


@dataclasses.dataclass(frozen=True)
class PretrainingDistillationOptions(TeacherOptions):
  """What a student imitates of a pre-trained teacher.

  The loss is the weighted sum of the losses whose weight is not 0.
  """

  soft_masked_lm_weight: float = setting(
    0.0,
    'Added: the weight of the cross-entropy of the masked tokens under the '
    "teacher's probabilities, as in DistilBERT (Sanh et al. 2019). The teacher "
    'must have a masked-LM head.',
    at_least=0.0,
    needs=_HAS_TEACHER,
    decides_weights=True,
  )
  soft_masked_lm_temperature: float = setting(
    2.0,
    "Added: T, by which the teacher's and the student's masked-LM logits are "
    'divided; the loss is multiplied by T^2.',
    at_least=0.01,
    needs=('do_train', 'soft_masked_lm_weight>0'),
    decides_weights=True,
  )
  cosine_weight: float = setting(
    0.0,
    'Added: the weight of 1 - cosine of the last hidden states of student and '
    'teacher, averaged over the tokens, as in DistilBERT. Both must have the '
    'same width.',
    at_least=0.0,
    needs=_TRAINS_ENCODER,
    decides_weights=True,
  )
  relation_weight: float = setting(
    0.0,
    'Added: the weight of the divergence between the relations of tokens in '
    'the last layers of student and teacher, as in MiniLM (Wang et al. 2020). '
    'Widths and numbers of layers may differ.',
    at_least=0.0,
    needs=_TRAINS_ENCODER,
    decides_weights=True,
  )
  relations: str = setting(
    'query,key,value',
    'Added: the relations that --relation_weight compares. query,key,value '
    '(MiniLMv2): the products of queries with queries, keys with keys and '
    'values with values. attention,value (MiniLM): queries with keys, and '
    'values with values.',
    choices=('query,key,value', 'attention,value'),
    needs=('do_train', 'relation_weight>0'),
    decides_weights=True,
  )
  num_relation_heads: int | None = setting(
    None,
    'Added: the number of heads into which the vectors of student and teacher '
    "are cut for --relation_weight; it must divide both widths. The student's "
    'number of attention heads if not given.',
    at_least=1,
    needs=('do_train', 'relation_weight>0'),
    decides_weights=True,
  )
  hard_loss_weight: float = setting(
    1.0,
    'Added: the weight of the masked-LM and next-sentence loss, which is added '
    "to the teacher's. 0 leaves the heads untrained, except by "
    '--soft_masked_lm_weight.',
    at_least=0.0,
    needs=_HAS_TEACHER,
    decides_weights=True,
  )


@dataclasses.dataclass(frozen=True)
class PretrainingInput:
  """What run_pretraining.py reads, and how many batches it evaluates."""

  input_file: str | None = setting(
    None,
    'Pre-training TFRecords, uncompressed: names and globs, separated by '
    'commas.',
    reads='files',
  )
  max_predictions_per_seq: int = setting(
    20,
    'Masked positions in a record, as in create_pretraining_data.py. If the '
    'records have no masks (--dynamic_masking there), the maximum number of '
    'positions to mask.',
    at_least=1,
    at_most=(1 << 16) - 1,
    decides_weights=True,
  )
  max_eval_steps: int = setting(
    100, 'The maximum number of evaluation batches.', at_least=1
  )


@dataclasses.dataclass(frozen=True)
class PretrainingOptions:
  """All settings of run_pretraining.py."""

  model: ModelOptions
  vocabulary: VocabularyOptions
  training: RunSettings
  evaluation: EvaluationOptions
  input: PretrainingInput
  distillation: PretrainingDistillationOptions
  devices: DeviceOptions

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: the message names the settings.
    """
    self.devices.check()
    self.model.check()

  def settings(self) -> RunSettings:
    """Returns the settings of the run."""
    return dataclasses.replace(self.training, precision=self.devices.precision)
