"""The settings of a logits dump. Nothing here imports TensorFlow.

Tested by `tests/distillation/patient_kd_test.py` and
`tests/scripts/run_distillation_test.py`.
"""

import dataclasses

from system.errors import UserError
from system.settings import setting
from training.options import TeacherOptions

_MAKES_DUMP = 'do_dump_logits|do_import_logits'


@dataclasses.dataclass(frozen=True)
class DumpOptions(TeacherOptions):
  """How the dump of the teacher's logits is made."""

  do_dump_logits: bool = setting(
    False, 'Added: whether the teacher scores the transfer set.'
  )
  logits_dir: tuple[str, ...] = setting(
    (),
    'Added: the folder of the logits dump. A student can learn from the dumps '
    'of several teachers, separated by commas: from the mean of their '
    'probabilities, or of the numbers that they predict.',
    needs=(f'{_MAKES_DUMP}|do_train|do_eval',),
  )
  allow_weak_teacher: bool = setting(
    False,
    'Added: whether to accept a teacher that scores no better on dev than a '
    'constant prediction, or that cannot be scored because there is no dev.',
    needs=(_MAKES_DUMP,),
  )
  keep_text: bool = setting(
    False,
    'Added: whether the dump keeps its text, so that students with another '
    'vocabulary or casing, or with shorter inputs, can learn from it.',
    needs=(_MAKES_DUMP,),
  )
  dump_cls_layers: tuple[str, ...] = setting(
    (),
    "Added: the teacher's layers, counted from 1 and separated by commas, "
    'whose [CLS] states the dump stores, for students with --patient_weight.',
    needs=('do_dump_logits',),
  )
  num_logits_shards: int = setting(
    16,
    'Added: the number of files in the dump.',
    at_least=1,
    at_most=99_999,
    needs=(_MAKES_DUMP,),
  )
  num_dump_jobs: int = setting(
    1,
    'Added: how many jobs make the dump together, each with its own '
    '--dump_job_index and otherwise the same command.',
    at_least=1,
    needs=('do_dump_logits',),
  )
  dump_job_index: int | None = setting(
    None,
    'Added: the number of this job among --num_dump_jobs, from 0. The job '
    'makes the files whose number modulo --num_dump_jobs is this number.',
    at_least=0,
    needs=('do_dump_logits',),
  )

  @property
  def job_index(self) -> int:
    """The number of this job, from 0."""
    return self.dump_job_index or 0

  def cls_layers(self) -> list[int]:
    """Returns the layers of `dump_cls_layers`.

    Raises:
      UserError: they are not ascending numbers.
    """
    return ascending_layers('dump_cls_layers', self.dump_cls_layers)

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: as for `cls_layers`, or `dump_job_index` is missing or not
        below `num_dump_jobs`.
    """
    self.cls_layers()
    if self.num_dump_jobs > 1 and self.dump_job_index is None:
      raise UserError(
        '`num_dump_jobs` needs `dump_job_index`, the number of this job'
      )
    if self.job_index >= self.num_dump_jobs:
      raise UserError(
        f'`dump_job_index`={self.job_index} must be below '
        f'`num_dump_jobs`={self.num_dump_jobs}'
      )


def ascending_layers(name: str, texts: tuple[str, ...]) -> list[int]:
  """Returns a setting's layers; raises a `UserError` unless they ascend."""
  numbers = [int(text) if text.isdecimal() else 0 for text in texts]
  if 0 in numbers or sorted(set(numbers)) != numbers:
    raise UserError(
      f'`{name}`={",".join(texts)}: expected ascending numbers of layers, from '
      '1, such as 2,4'
    )
  return numbers


def no_dev(error: UserError) -> UserError:
  """Returns the error that a teacher has no dev split to be scored on."""
  return UserError(
    f'{error}. The teacher is scored on it, unless `allow_weak_teacher` is '
    'given.'
  )
