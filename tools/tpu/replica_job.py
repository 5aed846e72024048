"""A script's flags → the step that each replica of its job computes.

Reads the model's configuration, the vocabulary and, for a custom task, its
labels, but no weights and no records.

Tested by `tests/tools/tpu_preflight_test.py`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from absl import flags

from cli import (
  classifier_flags,
  distillation_flags,
  flag_group,
  model_flags,
  pretraining_flags,
)
from data.records import batch_signatures
from data.tasks.task import Task
from data.text.vocabulary import load_vocabulary
from devices import flops
from distillation import dump_manifest, patient_kd, run, student
from modeling.configs import BertConfig
from modeling.models import PreTrainer
from system.errors import UserError
from system.file_systems import local_path
from training import fine_tuning, fit, model_config, pretraining, task_job
from training.model_config import TokenizerRecord
from training.options import RunSettings
from training.pretraining_distillation import PretrainingDistillation
from training.pretraining_options import PretrainingOptions
from training.run import with_bias_correction
from training.task_job_options import TaskJobOptions
from training.training_job import TrainingJob

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class ReplicaJob:
  """The work of one replica in a job.

  Attributes:
    batch_flag: the flag that gives the size of the global batch.
    batch_size: its value.
    num_parts: the number of equal parts into which a replica cuts its rows.
    step: batch → results.
    signature: rows → the batch's shapes and dtypes, in the longest bucket.
    count_flops: rows → floating-point operations, by the formulas of
      `devices.flops`; None if some weights are frozen or there is no formula.
  """

  batch_flag: str
  batch_size: int
  num_parts: int
  step: Callable[[Mapping[str, Any]], Any]
  signature: Callable[[int], dict[str, Any]]
  count_flops: Callable[[int], int] | None


def of_script(name: str, num_replicas: int) -> ReplicaJob:
  """Returns the job that the flags describe: training, or a logits dump.

  Args:
    name: the script, whose flags are defined and parsed.
    num_replicas: R.

  Raises:
    UserError: the flags describe neither, or contradict each other.
  """
  if name != 'run_pretraining':
    flag_group.require('task_name')
  if FLAGS.do_train:
    make = {
      'run_pretraining': _pretraining,
      'run_classifier': _fine_tuning,
      'run_distillation': _distillation,
    }[name]
    return make(num_replicas)
  if name == 'run_distillation' and FLAGS.do_dump_logits:
    flag_group.require('teacher_checkpoint')
    return _dump()
  raise UserError(
    f'--script={name} needs --do_train'
    + (' or --do_dump_logits' if name == 'run_distillation' else '')
    + ': the tool compiles its step'
  )


def _pretraining(num_replicas: int) -> ReplicaJob:
  options = _completed(pretraining_flags.read())
  config = model_config.choose_config(
    options.model, _text(options.vocabulary.vocab_file)
  )
  model = PreTrainer(config, options.devices.precision, options.training.seed)
  length = options.model.max_seq_length
  num_predictions = options.input.max_predictions_per_seq
  distillation = _pretraining_distillation(options)
  job = pretraining.make_job(model, length, num_predictions, distillation)

  def forward(rows: int) -> int:
    return flops.pretrainer_flops(config, rows, length, num_predictions)

  # No formula counts the operations of a teacher.
  count_forward = None if distillation else forward
  return _training(job, options.settings(), num_replicas, count_forward)


def _pretraining_distillation(
  options: PretrainingOptions,
) -> PretrainingDistillation | None:
  """Returns the teacher with random weights; None without a teacher."""
  chosen = options.distillation
  if not chosen.teacher_checkpoint:
    return None
  _, config = model_config.read_teacher_config(chosen)
  return PretrainingDistillation(
    PreTrainer(config, options.devices.precision), chosen
  )


def _fine_tuning(num_replicas: int) -> ReplicaJob:
  options = _task_options(classifier_flags)
  task = task_job.make_labelled_task(_without_remote(options))
  model = _classifier(task, options)
  length = options.model.max_seq_length
  job = fine_tuning.make_job(model, task, length)
  forward = _classifier_flops(model.config, length, task)
  return _training(job, _settings(options), num_replicas, forward)


def _distillation(num_replicas: int) -> ReplicaJob:
  options = _task_options(distillation_flags)
  # The tool needs no access to a bucket.
  if not any(map(_is_remote, options.dump.logits_dir)):
    options = distillation_flags.with_kind_of_dump(options)
  task = run.make_distillation_task(_without_remote(options))
  model = _classifier(task, options)
  dumps = {}
  if options.student.patient_weight:
    flag_group.require('logits_dir')
    dumps = {x: dump_manifest.read(x) for x in options.dump.logits_dir}
  patient = patient_kd.make(
    options.student, dumps, model.config, options.training.seed
  )
  length = options.model.max_seq_length
  job = student.make_job(model, task, length, options.student, patient)
  forward = _classifier_flops(model.config, length, task)
  return _training(job, _settings(options), num_replicas, forward)


def _completed(options: Any) -> Any:
  """Returns options with what the model's folder records, if it is local.

  The tool needs no access to a bucket.
  """
  dump = getattr(options, 'dump', None)
  paths = [options.model.init_checkpoint, dump and dump.teacher_checkpoint]
  if any(map(_is_remote, paths)):
    return options
  # The steps are compiled for a new run.
  training = options.training
  options = dataclasses.replace(
    options, training=dataclasses.replace(training, output_dir=None)
  )
  return dataclasses.replace(model_flags.completed(options), training=training)


def _task_options(module: ModuleType) -> Any:
  """Returns the options that the flags and the model's folder give."""
  options = _completed(module.read())
  if not options.tokenizer.vocab_file:
    flag_group.require('vocab_file')
  return options


def _without_remote(options: Any) -> Any:
  """Returns options that name no remote folder of a model or dump.

  These folders may name the task's labels, but the tool needs no access to a
  bucket.
  """
  model, training = options.model, options.training
  changes: dict[str, Any] = {}
  if _is_remote(model.init_checkpoint):
    changes['model'] = dataclasses.replace(model, init_checkpoint=None)
  if _is_remote(training.output_dir):
    changes['training'] = dataclasses.replace(training, output_dir=None)
  dump = getattr(options, 'dump', None)
  if dump and any(map(_is_remote, [*dump.logits_dir, dump.teacher_checkpoint])):
    changes['dump'] = type(dump)()
  return dataclasses.replace(options, **changes)


def _is_remote(path: str | None) -> bool:
  return bool(path) and local_path(path) is None


def _classifier(task, options: TaskJobOptions):
  config = model_config.choose_config(
    options.model, _text(options.tokenizer.vocab_file), task
  )
  return task_job.make_classifier(config, task, options)


def _settings(options: TaskJobOptions) -> RunSettings:
  """Returns the settings of training; any number of steps compiles alike."""
  return RunSettings(
    **vars(options.training),
    num_train_steps=2,
    num_warmup_steps=1,
    precision=options.devices.precision,
  )


def _training(
  job: TrainingJob,
  settings: RunSettings,
  num_replicas: int,
  forward: Callable[[int], int] | None,
) -> ReplicaJob:
  """Returns one replica's training step.

  Args:
    job: the model and its loss.
    settings: how it trains.
    num_replicas: R.
    forward: rows → floating-point operations of one forward pass; None if no
      formula counts them.
  """
  settings.check_fits(num_replicas, job.num_layers)
  num_weights = sum(
    variable.shape.num_elements() for variable in job.variables.values()
  )

  def count_flops(rows: int) -> int:
    return flops.training_flops(forward(rows), num_weights)

  return ReplicaJob(
    'train_batch_size',
    settings.train_batch_size,
    settings.gradient_accumulation_steps,
    fit.make_trainer(job, with_bias_correction(settings)).replica_step,
    job.signature,
    None if settings.freeze or not forward else count_flops,
  )


def _classifier_flops(
  config: BertConfig, length: int, task: Task
) -> Callable[[int], int]:
  """Returns rows → floating-point operations of one forward pass."""
  return lambda rows: flops.classifier_flops(
    config, rows, length, task.num_outputs
  )


def _dump() -> ReplicaJob:
  options = _task_options(distillation_flags)
  task = run.make_distillation_task(_without_remote(options))
  length = options.model.max_seq_length
  source, config = model_config.read_teacher_config(options.dump)
  text = _text(options.tokenizer.vocab_file)
  model_config.check_fit(source, config, text, length, task)
  model = task_job.make_classifier(config, task, options)
  batch_size = options.evaluation.predict_batch_size
  return ReplicaJob(
    'predict_batch_size',
    batch_size,
    1,
    lambda batch: model(batch)['logits'],
    lambda rows: batch_signatures.text_signature(rows, length),
    _classifier_flops(config, length, task),
  )


def _text(vocab_file: str | None) -> TokenizerRecord:
  tokens = load_vocabulary(vocab_file) if vocab_file else None
  return TokenizerRecord.of(vocab_file, tokens)
