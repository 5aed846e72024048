"""A student: trained on teachers' dumps, and compared with the teachers.

`distillation_loss` defines the loss.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.records.record_source import RecordSource
from data.tasks import classifier_records
from data.tasks.examples import Example
from data.tasks.task import Task
from devices import workers
from distillation import (
  dump_shards,
  ensemble,
  patient_kd,
  student_dump,
)
from distillation.distillation_loss import agreement, make_distillation_loss
from distillation.logits_dump import Dump
from distillation.options import DistillationOptions
from distillation.patient_kd import PatientKd
from distillation.student_data import StudentData
from distillation.student_options import StudentOptions
from distillation.transfer_text import Text
from modeling.configs import BertConfig
from modeling.models import Classifier
from system import files, text_files
from system.settings import weights_decided_by
from training import (
  checkpoint_choice,
  evaluation,
  output_folder_check,
  resuming,
  run_folder,
  scoring,
  seed_folders,
  task_job,
)
from training.evaluation import Splits
from training.model_config import TokenizerRecord
from training.run import Run, check_batch_size, train, with_bias_correction
from training.seeds import Scores
from training.task_folder import TaskFolder
from training.training_job import TrainingJob


def make_job(
  model: Classifier,
  task: Task,
  max_seq_length: int,
  options: StudentOptions,
  patient: PatientKd | None = None,
) -> TrainingJob:
  """Returns the job of training a student on a teacher's logits.

  Args:
    model: the student.
    task: the task.
    max_seq_length: S.
    options: the temperature and the weight of labels.
    patient: from `patient_kd.make`.
  """
  fields = dump_shards.record_fields(
    task,
    options.hard_label_weight > 0,
    len(patient.layers) * patient.teacher_size if patient else 0,
  )
  job = task_job.make_classifier_job(
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


def check_before_dump(
  task: Task,
  config: BertConfig,
  text: TokenizerRecord,
  options: DistillationOptions,
) -> None:
  """Checks what a student needs besides its dump, before the dump is made.

  A teacher may work for hours on it.

  Args:
    task: the task.
    config: the student's.
    text: how the student's text is encoded.
    options: all settings of the script.

  Raises:
    UserError: the student's folder cannot be written to, or holds files of
      another program, or a run with other settings; or the student has too few
      layers for the dump's states; or it is not trained, and there is none.
  """
  if not options.training.do_train:
    for run_dir in seed_folders.of_seeds(options).values():
      checkpoint_choice.trained_checkpoint(run_dir, options.model, text)
    return
  student = options.student
  if student.patient_weight:
    layers = patient_kd.student_layers(
      student.layers(), len(options.dump.cls_layers()), config.num_hidden_layers
    )
    patient_kd.check_freeze(student, layers, options.training.freeze)

  output_dir = options.training.output_dir
  run_dir = seed_folders.of_first_seed(options).output_dir

  vocabulary = [*text_files.read_lines(options.tokenizer.vocab_file)]

  def check_folder() -> None:
    if run_dir != output_dir:
      output_folder_check.check_seeds(output_dir)
    output_folder_check.check_run(
      run_dir, config.to_dict(), vocabulary, task.labels
    )
    task_job.check_results(run_dir, task, options.evaluation)
    _check_runs(config, text, options)
    files.make_folder(output_dir)

  workers.chief_does(check_folder)


def _check_runs(
  config: BertConfig, text: TokenizerRecord, options: DistillationOptions
) -> None:
  """Raises a `UserError` if a run to resume has other settings."""
  known = {
    **weights_decided_by(options.training),
    'bert_config': config.to_dict(),
    'do_lower_case': text.do_lower_case,
    'hard_label_weight': options.student.hard_label_weight,
    'max_seq_length': options.model.max_seq_length,
    'temperature': options.student.temperature,
    'vocabulary': text.vocab_checksum,
  }
  for seed, folder in seed_folders.of_seeds(options).items():
    if resuming.has_progress(folder):
      run_folder.check_settings(folder, {**known, 'seed': seed})


def check_texts(texts: Sequence[Text], options: DistillationOptions) -> None:
  """Checks that a student can be trained on texts, before they are scored.

  Raises:
    UserError: its epochs are less than one step, a batch has more examples than
      there are, or no text has a label and `hard_label_weight` needs some.
  """
  settings = options.settings(len(texts))
  check_batch_size(settings.train_batch_size, len(texts))
  options.student.check_hard_labels(any(x.label is not None for x in texts))


def train_student(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  dumps: Sequence[Dump],
  options: DistillationOptions,
  command: Mapping[str, Any],
) -> None:
  """Trains a student.

  Args:
    model: the student.
    folder: its task and its folder.
    splits: those that it is evaluated on during training.
    dumps: one for each teacher.
    options: all settings of the script.
    command: the script and its flags, for `run.json`.

  Raises:
    UserError: the dumps do not suit the student, a file is damaged, or another
      run trains in the folder.
    Stopped: the run was asked to stop, and has saved its state.
  """
  task, max_seq_length = folder.task, folder.max_seq_length
  patient = patient_kd.make(
    options.student,
    {dump.folder: dump.manifest for dump in dumps},
    model.config,
    options.training.seed,
  )
  if patient:
    patient_kd.check_freeze(
      options.student, patient.layers, options.training.freeze
    )
  data = StudentData(
    dumps,
    student_dump.StudentInput(task, folder.tokenizer, max_seq_length),
    folder.output_dir,
    options.student,
    patient,
  )
  data.check()

  def make_source() -> RecordSource:
    task_job.report_on_data(folder, splits, model.config)
    return data.make_source()

  identity = {
    'script': 'run_distillation',
    **task_job.task_identity(folder),
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


def evaluate_student(
  model: Classifier,
  folder: TaskFolder,
  splits: Splits,
  dumps: Sequence[Dump],
  options: DistillationOptions,
  text: TokenizerRecord,
) -> Scores:
  """Evaluates a student, and its teachers if the dumps have their dev logits.

  Args:
    model: takes the weights.
    folder: its task and its folder.
    splits: the evaluated ones.
    dumps: one for each teacher; empty if there is none.
    options: all settings of the script.
    text: how the model's text is encoded.

  Returns:
    As `task_job.evaluate`, with the scores of `distillation_loss.agreement` and
    `eval_teacher_<metric>`, the teachers' own for each of the task's metrics.

  Raises:
    UserError: as for `task_job.evaluate`.
  """
  task = folder.task

  def of_teachers(
    examples: Sequence[Example], logits: np.ndarray
  ) -> dict[str, float]:
    theirs = _teacher_logits_on(dumps, examples, task)
    if theirs is None:
      return {}
    scores = scoring.score(task, examples, theirs)
    own = {f'eval_teacher_{x}': scores[f'eval_{x}'] for x in task.metrics}
    return own | agreement(task, theirs, logits)

  return task_job.evaluate(model, folder, splits, options, text, of_teachers)


def _teacher_logits_on(
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
  logits = ensemble.dev_logits(dumps, split, shape, task.is_regression)
  if logits is None:
    logging.info(
      "The teacher's logits on this split are unknown (dumps keep those on "
      "dev): the student's agreement with it is not measured."
    )
  return logits
