"""Does what run_distillation.py's flags ask for: a dump, a student, or both.

A teacher scores the transfer set once, or its scores are imported; then a
student is trained on the dump. The teacher is never saved with the student.

Tested by `tests/scripts/run_distillation_test.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging

from data.tasks import label_order
from data.tasks.examples import Example
from data.tasks.task import MissingSplit, Task
from data.text.tokenization import BertTokenizer
from devices import strategies, workers
from distillation import (
  dump_folder,
  imported_dump,
  logits_dump,
  student,
  teacher,
  transfer_set,
)
from distillation.dump_options import no_dev
from distillation.options import DistillationOptions
from modeling.checkpoints import location
from system.errors import UserError
from training import (
  checkpoint_choice,
  evaluation,
  model_config,
  seeds,
  task_job,
)
from training.seeds import Command, Scores
from training.task_folder import TaskFolder


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
  strategy = strategies.make_strategy(options.devices)
  task = make_distillation_task(options)
  splits = evaluation.read_splits(
    task,
    options.task.data_dir,
    options.evaluation,
    *_splits_of_teacher(task, options),
  )
  tokenizer = task_job.make_tokenizer(options)
  text = task_job.text_of(tokenizer, options)
  if options.has_student:
    config = model_config.choose_config(options.model, text, task)
    checkpoint_choice.check_start(options.model, config, text)
    if options.training.do_train:
      options.training.check_fits(
        strategy.num_replicas_in_sync, config.num_hidden_layers
      )

  def run_student(options, command) -> Scores:
    checkpoint_choice.check_named_checkpoint(options.training, options.model)
    dumps = logits_dump.open_dumps(options.dump.logits_dir, task)
    folder = task_job.make_task_folder(task, tokenizer, options)
    model = task_job.make_classifier(config, task, options)
    if options.training.do_train:
      student.train_student(model, folder, splits, dumps, options, command)
    return student.evaluate_student(model, folder, splits, dumps, options, text)

  with workers.running(strategy):
    if options.makes_dump and options.has_student:
      student.check_before_dump(task, config, text, options)
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
    UserError: a teacher makes a dump, but there is no dev split, and the
      teacher must be scored; or the data is missing.
  """
  is_scored = options.imported.teacher_dev_scores or options.dump.do_dump_logits
  if not is_scored:
    return ()
  try:
    task.locate(options.task.data_dir, 'dev')
  except MissingSplit as error:
    if not options.dump.allow_weak_teacher:
      raise no_dev(error) from error
    logging.warning('The teacher is not scored: %s', error)
    return ()
  return ('dev',)


def make_distillation_task(options: DistillationOptions) -> Task:
  """Returns the task, with its labels in the order of the dumps or teacher.

  Raises:
    UserError: as for `make_task`, or `temperature` is set but the task predicts
      numbers.
  """
  dump = options.dump
  if dump.do_dump_logits:
    teachers = location.label_folders(dump.teacher_checkpoint)
    task = task_job.make_labelled_task(options, teachers)
    label_order.check(task, teachers)
  else:
    dumps = () if options.imported.do_import_logits else dump.logits_dir
    task = task_job.make_labelled_task(options, dumps)
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
  source, config = model_config.read_teacher_config(dump, checkpoint)
  text = task_job.text_of(tokenizer, options)
  max_seq_length = options.model.max_seq_length
  model_config.check_fit(source, config, text, max_seq_length, task)
  teacher.check_layers(dump, config)
  checkpoint_choice.check_text(checkpoint, text, 'teacher_checkpoint')
  folder = TaskFolder(task, tokenizer, max_seq_length, dump.logits_dir[0])
  transfer = transfer_set.make(
    task,
    data_dir,
    options.transfer,
    transfer_set.columns_of(task, options.task, options.transfer),
    tfds_dir=data_dir if options.task.data_source == 'tfds' else None,
  )
  if options.training.do_train:
    student.check_texts(transfer.texts, options)
  dump_folder.show_data(
    folder, transfer.texts, dev, config.max_position_embeddings
  )
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
    task_job.task_identity(folder),
    command,
  )
