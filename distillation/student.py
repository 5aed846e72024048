"""Distillation's two jobs: a dump of the teacher's logits, and a student."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.records.record_source import RecordSource
from data.tasks import classifier_records, label_order
from data.tasks.examples import Example
from data.tasks.task import Task
from distillation import logits_dump, merged_dump, teacher
from distillation.logits_dump import Dump
from distillation.transfer_set import TransferSet
from modeling.checkpoints import location
from modeling.configs import BertConfig
from modeling.models import Classifier
from system.errors import UserError
from training import run_folder
from training.task_folder import TaskFolder


def teacher_config(prefix: str, config_file: str | None) -> BertConfig:
  """Reads a teacher's configuration, from beside its checkpoint if not given.

  Raises:
    UserError: there is none.
  """
  if config_file:
    return BertConfig.from_json_file(config_file)
  if (beside := location.config_beside(prefix)) is None:
    raise UserError(
      f'there is no bert_config.json beside {prefix}: --teacher_config_file '
      'must be given'
    )
  return beside[1]


@dataclasses.dataclass(frozen=True)
class Dumping:
  """Who scores what.

  Attributes:
    run: the task, in the dump's folder.
    transfer: the texts.
    dev: the task's dev split.
    prefix: the teacher's checkpoint.
    job: how the dump is laid out, and this job's part.
    allow_weak_teacher: whether a teacher at chance level will do.
  """

  run: TaskFolder
  transfer: TransferSet
  dev: Sequence[Example]
  prefix: str
  job: teacher.DumpJob
  allow_weak_teacher: bool = False


def dump(
  dumping: Dumping,
  config: BertConfig,
  precision: str,
  fingerprint: Mapping[str, Any],
  command: Mapping[str, Any],
) -> None:
  """Writes a dump, goes on with one, or finds it whole.

  Args:
    dumping: who scores what.
    config: the teacher's.
    precision: of its matrix products.
    fingerprint: what else decides the dump, for `run.json`.
    command: the script and its flags, for `run.json` too.

  Raises:
    UserError: the folder holds the beginning of another dump, or the teacher
      will not do.
  """
  run, transfer, dev = dumping.run, dumping.transfer, dumping.dev
  num_texts, job = len(transfer.texts), dumping.job
  job = dataclasses.replace(job, num_shards=min(job.num_shards, num_texts))
  if job.num_jobs > job.num_shards:
    raise UserError(
      f'--num_shards={job.num_jobs}: a dump of {job.num_shards} files cannot '
      'be split over more jobs (--num_logits_shards)'
    )
  configuration = {
    'script': 'run_distillation --do_dump_logits',
    **fingerprint,
    'dev': classifier_records.checksum(dev),
    'keep_text': job.keeps_text,
    'max_seq_length': run.max_seq_length,
    'num_logits_shards': job.num_shards,
    'num_texts': num_texts,
    'precision': precision,
    'teacher_checkpoint': location.checksum(dumping.prefix),
    'texts': transfer.checksum(),
  }
  run_folder.claim(
    run.output_dir,
    configuration,
    # Jobs that begin together see no progress: the first one's word holds.
    has_progress=True,
    flag='--logits_dir',
    command=command,
    is_alone=False,
  )
  label_order.write(run.output_dir, run.task)
  if logits_dump.is_whole(run.output_dir):
    logging.info('The dump in %s is whole already.', run.output_dir)
    return
  try:
    who = teacher.load_teacher(
      Classifier(config, run.task.num_outputs, precision),
      dumping.prefix,
      run,
      dev,
      job.batch_size,
      dumping.allow_weak_teacher,
    )
  except UserError:
    # A teacher that is refused leaves nothing that binds the next one.
    if not logits_dump.is_begun(run.output_dir):
      run_folder.release(run.output_dir, configuration)
    raise
  teacher.dump_logits(who, transfer, run, job)


@dataclasses.dataclass(frozen=True)
class Lesson:
  """What a student is trained on.

  Attributes:
    dumps: of one teacher, or of several.
    student: the task as the student sees it.
    output_dir: where a student's own records go if it needs some.
    temperature: T.
    hard_label_weight: w.
  """

  dumps: Sequence[Dump]
  student: merged_dump.Student
  output_dir: str
  temperature: float = 1.0
  hard_label_weight: float = 0.0

  def check(self) -> None:
    """Checks, before anything expensive, that the dumps suit the student.

    Raises:
      UserError: they do not; or a flag can have no effect.
    """
    merged_dump.check(self.dumps, self.student)
    if self.hard_label_weight and not self.num_labelled:
      raise UserError(
        f'--hard_label_weight={self.hard_label_weight} cannot take effect: no '
        'text of the dump has a label (--transfer_split=train brings some)'
      )

  @property
  def num_examples(self) -> int:
    """Of an epoch."""
    return self.dumps[0].manifest.num_examples

  @property
  def num_labelled(self) -> int:
    """How many of them have a label."""
    return self.dumps[0].manifest.num_labelled

  def fingerprint(self) -> dict[str, Any]:
    """Returns what of the lesson decides a student's weights."""
    return {
      'dumps': [run_folder.fingerprint(dump.paths) for dump in self.dumps],
      'hard_label_weight': self.hard_label_weight,
      'temperature': self.temperature,
    }

  def source(self) -> RecordSource:
    """Returns the records; merges or tokenizes first where that is needed.

    Writes `labels.txt` beside what is trained.
    """
    label_order.write(self.output_dir, self.student.task)
    dump = self.dumps[0]
    if merged_dump.check(self.dumps, self.student):
      dump = merged_dump.make(
        self.dumps,
        self.fingerprint()['dumps'],
        self.student,
        self.temperature,
        os.path.join(self.output_dir, 'dump'),
      )
    if self.hard_label_weight:
      logging.info(
        '%d of %d examples have a label', self.num_labelled, self.num_examples
      )
    return dump.source(
      self.student.task,
      self.student.max_seq_length,
      with_labels=self.hard_label_weight > 0,
    )


def teacher_logits_on(
  dumps: Sequence[Dump], examples: Sequence[Example], task: Task
) -> np.ndarray | None:
  """Returns the teachers' mean logits on a split, if the dumps keep them.

  Args:
    dumps: one of each teacher; none for no teacher.
    examples: N, of the split.
    task: says whether numbers are predicted.

  Returns:
    float32 [N, C], or None, which is logged where there is a teacher.
  """
  if not dumps:
    return None
  split = classifier_records.checksum(examples)
  logits = merged_dump.dev_logits(dumps, split, task.is_regression)
  if logits is None:
    logging.info(
      "The teacher's logits on this split are not known (dumps keep those on "
      'dev): its agreement with the student is not measured.'
    )
  return logits
