"""run_distillation.py's jobs: a teacher's dump, and a student trained on it.

The teacher is loaded first, scores the transfer set once, and is never saved
with a student. `soft_labels` defines the loss.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.records.record_source import RecordSource
from data.tasks import classifier_records, data_report, label_order
from data.tasks.examples import Example
from data.tasks.task import Task
from data.text.tokenization import BertTokenizer
from devices import strategies, workers
from distillation import (
  dump_shards,
  imported_dump,
  logits_dump,
  merged_dump,
  patience,
  teacher,
  transfer_set,
)
from distillation.logits_dump import Dump
from distillation.options import DistillationOptions, StudentOptions, no_dev
from distillation.patience import Patience
from distillation.soft_labels import agreement, make_distillation_loss
from modeling.checkpoints import location
from modeling.configs import BertConfig
from modeling.models import Classifier
from system.errors import UserError
from training import evaluation, fine_tuning, model_setup, run_folder, seeds
from training.evaluation import Splits
from training.job import Job
from training.model_setup import TextEncoding
from training.run import Run, train, with_bias_correction
from training.seeds import Command, Scores
from training.task_folder import TaskFolder


def make_job(
  model: Classifier,
  task: Task,
  max_seq_length: int,
  options: StudentOptions,
  patient: Patience | None = None,
) -> Job:
  """Returns the job of training a student on a teacher's logits.

  Args:
    model: the student.
    task: the task.
    max_seq_length: S.
    options: the temperature and the weight of labels.
    patient: from `patience.make`.
  """
  fields = dump_shards.record_fields(
    task,
    options.hard_label_weight > 0,
    len(patient.layers) * patient.teacher_size if patient else 0,
  )
  job = fine_tuning.make_classifier_job(
    model,
    task,
    max_seq_length,
    make_distillation_loss(
      model, task, options.temperature, options.hard_label_weight, patient
    ),
    fields,
  )
  more = patient.variables if patient else {}
  return dataclasses.replace(job, unexported_variables=more)


@dataclasses.dataclass(frozen=True)
class SoftLabels:
  """A student's training data: the dumps of one or several teachers.

  Attributes:
    dumps: one for each teacher.
    student: its task, tokenizer and input length.
    output_dir: takes the student's own records if it needs some.
    options: the temperature and the weight of labels.
    patient: from `patience.make`.
  """

  dumps: Sequence[Dump]
  student: merged_dump.StudentInput
  output_dir: str
  options: StudentOptions
  patient: Patience | None = None

  def check(self) -> None:
    """Checks, before anything expensive, that the dumps suit the student.

    Raises:
      UserError: they do not, or `hard_label_weight` cannot take effect.
    """
    merged_dump.check(self.dumps, self.student)
    weight = self.options.hard_label_weight
    if weight and not self.num_labelled:
      raise UserError(
        f'`hard_label_weight`={weight} cannot take effect: no text of the dump '
        'has a label (`transfer_split`=train adds some)'
      )

  @property
  def num_examples(self) -> int:
    """The number of examples in an epoch."""
    return self.dumps[0].manifest.num_examples

  @property
  def num_labelled(self) -> int:
    """The number of examples that have a label."""
    source = merged_dump.base(self.dumps, self.student)
    return self.dumps[source].manifest.num_labelled

  def identity(self) -> dict[str, Any]:
    """Returns the part of a run's identity that the soft labels give."""
    identity = {
      'dumps': [run_folder.fingerprint(dump.paths) for dump in self.dumps],
      'hard_label_weight': self.options.hard_label_weight,
      'temperature': self.options.temperature,
    }
    if self.patient:
      # Absent otherwise, so that older runs resume.
      identity['patient_weight'] = self.patient.weight
      identity['patient_layers'] = self.patient.layers
    return identity

  def make_source(self) -> RecordSource:
    """Returns the records; merges or tokenizes them first if needed.

    Writes `labels.txt` beside the student.
    """
    label_order.write(self.output_dir, self.student.task.labels)
    dump = self.dumps[0]
    if merged_dump.check(self.dumps, self.student):
      dump = merged_dump.make(
        self.dumps,
        self.identity()['dumps'],
        self.student,
        self.options.temperature,
        os.path.join(self.output_dir, 'dump'),
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


def run(options: DistillationOptions, command: Command) -> None:
  """Does what run_distillation.py's flags ask for.

  Args:
    options: all settings of the script.
    command: see `Command`.

  Raises:
    UserError: a setting, file or checkpoint does not fit; checked before the
      first expensive step where possible.
    Stopped: the run was asked to stop, and has saved its state.
  """
  _check_casing(options)
  strategy = strategies.make_strategy(options.devices)
  task = make_distillation_task(options)
  splits = evaluation.read_splits(
    task,
    options.task.data_dir,
    options.evaluation,
    *_splits_of_teacher(task, options),
  )
  tokenizer = fine_tuning.make_tokenizer(options)
  text = fine_tuning.text_of(tokenizer, options)
  if options.has_student:
    config = model_setup.choose_config(options.model, text, task)
    model_setup.check_start(options.model, config, text)

  def run_student(options, command) -> Scores:
    model_setup.check_named_checkpoint(options.training, options.model)
    dumps = logits_dump.open_dumps(options.dump.logits_dir, task)
    folder = fine_tuning.make_task_folder(task, tokenizer, options)
    model = fine_tuning.make_classifier(config, task, options)
    if options.training.do_train:
      _train(model, folder, splits, dumps, options, command)
    return _evaluate(model, folder, splits, dumps, options, text)

  with workers.running(strategy):
    if options.dump.do_dump_logits:
      _dump_logits(task, tokenizer, splits.get('dev', ()), options, command())
    if options.imported.do_import_logits:
      dev = splits.get('dev', ())
      imported_dump.run(task, tokenizer, dev, options, command())
    if options.has_student:
      seeds.run(options, command, run_student)


def _splits_of_teacher(
  task: Task, options: DistillationOptions
) -> Sequence[str]:
  """Returns the split that the teacher is scored on, or none.

  Raises:
    UserError: a teacher makes a dump, but there is no dev split.
  """
  is_scored = options.imported.teacher_dev_scores or options.dump.do_dump_logits
  if not is_scored:
    return ()
  try:
    task.locate(options.task.data_dir, 'dev')
  except UserError as error:
    if not options.dump.allow_weak_teacher:
      raise no_dev(error) from error
    logging.warning('The teacher is not scored: %s', error)
    return ()
  return ('dev',)


def _check_casing(options: DistillationOptions) -> None:
  for label, path in (
    ('init_checkpoint', options.model.init_checkpoint),
    ('teacher_checkpoint', options.dump.teacher_checkpoint),
  ):
    model_setup.check_casing_of_name(
      path, options.tokenizer.do_lower_case, label
    )


def make_distillation_task(options: DistillationOptions) -> Task:
  """Returns the task, with its labels in the order of the dumps or teacher.

  Raises:
    UserError: as for `make_task`, or `temperature` is set but the task predicts
      numbers.
  """
  dump = options.dump
  teachers = []
  if dump.do_dump_logits:
    teachers += location.label_folders(dump.teacher_checkpoint)
  task = fine_tuning.make_labelled_task(
    options,
    *teachers,
    dump_folders=() if options.makes_dump else dump.logits_dir,
  )
  temperature = options.student.temperature
  is_own = 'temperature' not in options.student.inherited
  if task.is_regression and temperature != 1.0 and is_own:
    raise UserError(
      f'`temperature`={temperature} cannot take effect: {task.name} predicts '
      'numbers'
    )
  return task


def _dump_logits(
  task: Task,
  tokenizer: BertTokenizer,
  dev: Sequence[Example],
  options: DistillationOptions,
  command: Mapping[str, Any],
) -> None:
  dump, data_dir = options.dump, options.task.data_dir
  checkpoint = location.locate(dump.teacher_checkpoint)
  config = model_setup.read_teacher_config(checkpoint, dump.teacher_config_file)
  text = fine_tuning.text_of(tokenizer, options)
  max_seq_length = options.model.max_seq_length
  model_setup.check_fit(config, text, max_seq_length, task)
  teacher.check_layers(dump, config)
  model_setup.check_text(checkpoint, text, 'teacher_checkpoint')
  folder = TaskFolder(task, tokenizer, max_seq_length, dump.logits_dir[0])
  transfer = transfer_set.make(
    task,
    data_dir,
    options.transfer,
    transfer_set.columns_of(task, options.task, options.transfer),
    tfds_dir=data_dir if options.task.data_source == 'tfds' else None,
  )
  _show_data(folder, transfer, dev, config)
  teacher.dump(
    teacher.DumpJob(
      folder,
      checkpoint,
      transfer,
      dev,
      dump,
      options.evaluation.predict_batch_size,
      options.devices.precision,
    ),
    config,
    fine_tuning.task_identity(folder),
    command,
  )


def _show_data(
  folder: TaskFolder,
  transfer: transfer_set.TransferSet,
  dev: Sequence[Example],
  config: BertConfig,
) -> None:
  """Logs what the texts of a dump are like."""
  if workers.is_chief():
    texts = [Example(*text) for text in transfer.texts]
    splits = {'transfer': texts, 'dev': dev}
    data_report.show(fine_tuning.make_data_report(folder, splits, config))


def _train(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  dumps: Sequence[Dump],
  options: DistillationOptions,
  command: Mapping[str, Any],
) -> None:
  task, max_seq_length = folder.task, folder.max_seq_length
  patient = patience.make(
    options.student,
    {dump.folder: dump.manifest for dump in dumps},
    model.config,
    options.training.seed,
  )
  data = SoftLabels(
    dumps,
    merged_dump.StudentInput(task, folder.tokenizer, max_seq_length),
    folder.output_dir,
    options.student,
    patient,
  )
  data.check()

  def make_source() -> RecordSource:
    fine_tuning.report_on_data(folder, splits, model.config)
    return data.make_source()

  identity = {
    'script': 'run_distillation',
    **fine_tuning.task_identity(folder),
    **data.identity(),
    **evaluation.identity(task, splits, options.evaluation),
  }
  train(
    make_job(model, task, max_seq_length, options.student, patient),
    Run(
      with_bias_correction(options.settings(data.num_examples)),
      options.model,
      identity,
      command,
      options.tokenizer.vocab_file,
      task,
    ),
    make_source,
    evaluation.during_training(model, folder, splits, options.evaluation),
  )


def _evaluate(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  dumps: Sequence[Dump],
  options: DistillationOptions,
  text: TextEncoding,
) -> Scores:
  def agreement_with_teacher(
    examples: Sequence[Example], logits: np.ndarray
  ) -> dict[str, float]:
    theirs = teacher_logits_on(dumps, examples, folder.task)
    return {} if theirs is None else agreement(folder.task, theirs, logits)

  return fine_tuning.evaluate(
    model, folder, splits, options, text, agreement_with_teacher
  )


def teacher_logits_on(
  dumps: Sequence[Dump], examples: Sequence[Example], task: Task
) -> np.ndarray | None:
  """Returns the teachers' mean logits on a split, if the dumps keep them.

  Args:
    dumps: one for each teacher; empty if there is no teacher.
    examples: N, of the split.
    task: decides whether the labels are classes or numbers.

  Returns:
    float32 [N, C], or None; logs why if there is a teacher.
  """
  if not dumps:
    return None
  split = classifier_records.checksum(examples)
  shape = (len(examples), task.num_outputs)
  logits = merged_dump.dev_logits(dumps, split, shape, task.is_regression)
  if logits is None:
    logging.info(
      "The teacher's logits on this split are unknown (dumps keep those on "
      "dev): the student's agreement with it is not measured."
    )
  return logits
