"""A student's training data: the records of its teachers' dumps.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from absl import logging

from data.records.record_source import RecordSource
from data.tasks import label_order
from distillation import ensemble, student_dump
from distillation.logits_dump import Dump
from distillation.patient_kd import PatientKd
from distillation.student_options import StudentOptions
from modeling.checkpoints import run_files
from training import run_folder


@dataclasses.dataclass(frozen=True)
class StudentData:
  """A student's training data: the dumps of one or several teachers.

  Attributes:
    dumps: one for each teacher.
    student: its task, tokenizer and input length.
    output_dir: takes the student's own records if it needs some.
    options: the temperature and the weight of labels.
    patient: from `patient_kd.make`.
  """

  dumps: Sequence[Dump]
  student: student_dump.StudentInput
  output_dir: str
  options: StudentOptions
  patient: PatientKd | None = None

  def check(self) -> None:
    """Checks, before anything expensive, that the dumps suit the student.

    Raises:
      UserError: they do not, or `hard_label_weight` cannot take effect.
    """
    student_dump.check(self.dumps, self.student)
    if not self.student.task.is_regression:
      ensemble.check_temperature(self.dumps, self.options.temperature)
    self.options.check_hard_labels(self.num_labelled > 0)

  @property
  def num_examples(self) -> int:
    """The number of examples in an epoch."""
    return self.dumps[0].manifest.num_examples

  @property
  def num_labelled(self) -> int:
    """The number of examples that have a label."""
    source = student_dump.base(self.dumps, self.student)
    return self.dumps[source].manifest.num_labelled

  def identity(self) -> dict[str, Any]:
    """Returns the part of a run's identity that the data gives."""
    identity = {
      'dumps': [run_folder.fingerprint(dump.paths) for dump in self.dumps],
      'hard_label_weight': self.options.hard_label_weight,
      'temperature': self.options.temperature,
    }
    if self.patient:
      identity['patient_weight'] = self.patient.weight
      identity['patient_layers'] = self.patient.layers
    return identity

  def make_source(self) -> RecordSource:
    """Returns the records; merges or tokenizes them first if needed.

    Call `check` first. Writes `labels.txt` to the student's folder.
    """
    label_order.write(self.output_dir, self.student.task.labels)
    dump = self.dumps[0]
    if student_dump.needs_own(self.dumps, self.student):
      dump = student_dump.make(
        self.dumps,
        self.identity()['dumps'],
        self.student,
        self.options.temperature,
        os.path.join(self.output_dir, run_files.DUMP),
      )
    has_labels = self.options.hard_label_weight > 0
    if has_labels:
      dump.check_labels(self.student.task)
      logging.info(
        '%d of %d examples have a label', self.num_labelled, self.num_examples
      )
    return dump.source(
      self.student.task,
      self.student.max_seq_length,
      with_labels=has_labels,
      with_states=self.patient is not None,
    )
