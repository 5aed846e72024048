"""The settings of run_distillation.py. Nothing here imports TensorFlow.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses
import os

from data.tasks.task import MissingSplit
from distillation import dump_manifest
from distillation.dump_options import DumpOptions, no_dev
from distillation.import_options import ImportOptions
from distillation.student_options import StudentOptions
from distillation.transfer_options import TransferOptions
from modeling.checkpoints import run_files
from system import files
from system.errors import UserError
from system.file_systems import local_path
from training import seed_folders
from training.task_job_options import TaskJobOptions

# Settings of other groups that only a student can use.
STUDENT_SETTINGS = (
  *('bert_config_file', 'bert_size', 'init_checkpoint', 'output_dir'),
  *('initializer_range', 'dropout_rate', 'log_steps', 'keep_checkpoint_max'),
  *('extend_positions', 'seed'),
)


@dataclasses.dataclass(frozen=True)
class DistillationOptions(TaskJobOptions):
  """All settings of run_distillation.py."""

  transfer: TransferOptions
  dump: DumpOptions
  imported: ImportOptions
  student: StudentOptions

  @property
  def makes_dump(self) -> bool:
    """Whether a dump is made, by a teacher or of imported scores."""
    return self.dump.do_dump_logits or self.imported.do_import_logits

  @property
  def has_student(self) -> bool:
    """Whether a student is trained, evaluated or applied."""
    return (
      self.training.do_train
      or self.evaluation.do_eval
      or self.evaluation.do_predict
    )

  @property
  def needs_data(self) -> bool:
    """Whether the task's own files are read.

    A student that is only trained needs only the dump.
    """
    if self.training.do_train and not self.makes_dump:
      return bool(self.splits())
    return super().needs_data

  def jobs_on_labels(self) -> list[str]:
    """Returns the given settings that need a task with labels."""
    dump = ['do_dump_logits'] * self.dump.do_dump_logits
    imported = ['do_import_logits'] * self.imported.do_import_logits
    return [*super().jobs_on_labels(), *dump, *imported]

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: the message names the settings.
    """
    super().check()
    self.student.layers()
    if self.training.do_train and self.training.output_dir:
      self._check_folders()
    if self.dump.do_dump_logits:
      self._check_dump()
      return
    if self.imported.do_import_logits:
      self._check_import()
      return
    for folder in self.dump.logits_dir:
      if local_path(folder) is not None:
        dump_manifest.read(folder)

  def _check_folders(self) -> None:
    """Refuses a dump in a folder that the student writes to."""
    output_dir = self.training.output_dir
    runs = [output_dir, *seed_folders.of_seeds(self).values()]
    dumps = [os.path.join(run, run_files.DUMP) for run in runs]
    own = set(map(_real, [*runs, *dumps]))
    for folder in self.dump.logits_dir:
      if _real(folder) in own:
        raise UserError(
          f'`logits_dir`={folder} is a folder that the student in '
          f'`output_dir`={output_dir} writes to: give another one'
        )

  def splits(self) -> list[str]:
    """Returns the names of the splits that the jobs read."""
    names = [self.transfer.transfer_split] * self.dump.do_dump_logits
    return [*filter(None, names), *self.evaluation.splits()]

  def _check_one_dump(self, job: str) -> None:
    self.task.check()
    if len(folders := self.dump.logits_dir) > 1:
      raise UserError(
        f'`{job}` writes one dump; `logits_dir` names {len(folders)}: '
        f'{", ".join(folders)}'
      )

  def _check_dev(self) -> None:
    try:
      self.task.check_splits(['dev'])
    except MissingSplit as error:
      raise no_dev(error) from error

  def _check_import(self) -> None:
    self._check_one_dump('do_import_logits')
    self.imported.check()
    if not self.dump.allow_weak_teacher:
      self.imported.check_dev()
      self._check_dev()
    student = self.student
    for name in ('hard_label_weight', 'patient_weight'):
      if self.training.do_train and (value := getattr(student, name)):
        raise UserError(
          f'`{name}`={value} cannot take effect: imported scores have neither '
          'true labels nor [CLS] states'
        )

  def _check_dump(self) -> None:
    dump = self.dump
    self._check_one_dump('do_dump_logits')
    if self.imported.do_import_logits:
      raise UserError(
        'give either `do_dump_logits` or `do_import_logits`: each makes a dump '
        'in `logits_dir`'
      )
    self.transfer.check()
    dump.check()
    if not dump.allow_weak_teacher:
      self._check_dev()
    if self.training.do_train:
      self.student.check_hard_labels(self.transfer.transfer_split is not None)
    patient_weight = self.student.patient_weight
    if self.training.do_train and patient_weight and not dump.dump_cls_layers:
      raise UserError(
        f'`patient_weight`={patient_weight} needs '
        '`dump_cls_layers`: the dump would have no [CLS] states'
      )
    if dump.num_dump_jobs > 1 and self.has_student:
      raise UserError(
        'a student needs the whole dump: with `num_dump_jobs`, dump first, and '
        'train when all jobs are done'
      )


def _real(path: str) -> str:
  return files.real_path(path.rstrip('/'))
