"""Flags of a script → what each replica of its job computes again and again.

Nothing is read but the model's configuration, the vocabulary and, for a task of
one's own, its labels; no weights, no records.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

from cli import (
  distillation_flags,
  flag_group,
  model_flags,
  task_flags,
  training_flags,
)
from system.errors import UserError

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class ReplicaJob:
  """A job, as one replica sees it.

  Attributes:
    batch_flag: the name of the flag with the size of the global batch.
    batch_size: its value.
    num_parts: into how many equal parts a replica cuts its rows.
    step: batch → result.
    signature: number of rows → of the batch, in the longest bucket.
    count_flops: number of rows → by `devices.flops`; None where part of the
      weights is frozen.
  """

  batch_flag: str
  batch_size: int
  num_parts: int
  step: Callable[[Mapping[str, Any]], Any]
  signature: Callable[[int], dict[str, Any]]
  count_flops: Callable[[int], int] | None


def of_script(name: str, num_replicas: int) -> ReplicaJob:
  """Returns the job that the flags describe: training, or else a dump.

  Args:
    name: of the script, whose flags are defined and parsed.
    num_replicas: R.

  Raises:
    UserError: the flags describe neither, or contradict each other.
  """
  training_flags.check()
  if name != 'run_pretraining':
    flag_group.require('task_name', 'vocab_file')
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
    f'{name}.py must be given --do_train'
    + (' or --do_dump_logits' if name == 'run_distillation' else '')
    + ': that is what is compiled'
  )


def _pretraining(num_replicas: int) -> ReplicaJob:
  from data.records.feature_spec import PRETRAINING
  from devices import flops
  from modeling.models import PreTrainer
  from training import pretraining

  config = model_flags.bert_config(_vocab_size())
  model = PreTrainer(config, FLAGS.precision, FLAGS.seed)
  dims = {'S': FLAGS.max_seq_length, 'P': FLAGS.max_predictions_per_seq}
  return _training(
    num_replicas,
    model,
    pretraining.make_loss_function(model),
    PRETRAINING,
    dims,
    lambda rows: flops.pretrainer_flops(config, rows, dims['S'], dims['P']),
  )


def _fine_tuning(num_replicas: int) -> ReplicaJob:
  from data.tasks.classifier_records import record_fields
  from training import classification

  task = task_flags.task()
  return _classifier_training(
    num_replicas, task, record_fields(task), classification.make_task_loss
  )


def _distillation(num_replicas: int) -> ReplicaJob:
  from distillation import logits_dump
  from training import classification

  task = task_flags.task()
  distillation_flags.check_task(task)
  return _classifier_training(
    num_replicas,
    task,
    logits_dump.record_fields(task, with_labels=FLAGS.hard_label_weight > 0),
    functools.partial(
      classification.make_distillation_loss,
      temperature=FLAGS.temperature,
      hard_label_weight=FLAGS.hard_label_weight,
    ),
  )


def _classifier_training(num_replicas, task, fields, make_loss) -> ReplicaJob:
  model, count_flops = _classifier(
    task, model_flags.bert_config(_vocab_size(), task.is_pair)
  )
  dims = {'S': FLAGS.max_seq_length, 'C': task.num_outputs}
  return _training(
    num_replicas,
    model,
    make_loss(model, task),
    fields,
    dims,
    count_flops,
  )


def _classifier(task, config):
  """Returns a model, and what counts one pass of some rows."""
  from devices import flops
  from modeling.models import Classifier

  length, num_outputs = FLAGS.max_seq_length, task.num_outputs
  return (
    Classifier(config, num_outputs, FLAGS.precision, FLAGS.seed),
    lambda rows: flops.classifier_flops(config, rows, length, num_outputs),
  )


def _training(
  num_replicas, model, loss_function, fields, dims, count_forward
) -> ReplicaJob:
  from data.records import input_pipeline
  from devices import flops
  from modeling.models import released_variables
  from training import fit

  # How long the run is to be does not change what is compiled.
  settings = training_flags.make_settings(2, 1, None, 0)
  settings.check(num_replicas, model.config.num_hidden_layers)
  num_weights = sum(
    variable.shape.num_elements()
    for variable in released_variables(model).values()
  )

  def count_flops(rows: int) -> int:
    return flops.training_flops(count_forward(rows), num_weights)

  return ReplicaJob(
    'train_batch_size',
    settings.batch_size,
    settings.gradient_accumulation_steps,
    fit.make_replica_step(model, loss_function, settings),
    functools.partial(input_pipeline.training_signature, fields, dims),
    None if settings.freeze else count_flops,
  )


def _dump() -> ReplicaJob:
  from data.records import input_pipeline
  from distillation import student
  from modeling.checkpoints import location

  task = task_flags.task()
  config_file = FLAGS.teacher_config_file
  config = student.teacher_config(
    '' if config_file else location.resolve(FLAGS.teacher_checkpoint),
    config_file,
  )
  model_flags.check_fit(config, _vocab_size(), task.is_pair)
  model, count_flops = _classifier(task, config)
  length = FLAGS.max_seq_length
  return ReplicaJob(
    'predict_batch_size',
    FLAGS.predict_batch_size,
    1,
    lambda batch: model(batch)['logits'],
    lambda rows: input_pipeline.text_signature(rows, length),
    count_flops,
  )


def _vocab_size() -> int | None:
  from data.text import tokenization

  if not FLAGS.vocab_file:
    return None
  return len(tokenization.load_vocabulary(FLAGS.vocab_file).tokens)
