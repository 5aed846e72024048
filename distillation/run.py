"""Does what run_distillation.py's flags ask for: a dump, a student, or both.

A teacher scores the transfer set once, or its scores are imported; then a
student is trained on the dump. The teacher is never saved with the student.

Tested by `tests/scripts/run_distillation_test.py`.
"""

from collections.abc import Sequence

from absl import logging

from data.tasks import label_order
from data.tasks.task import MissingSplit, Task
from devices import strategies, workers
from distillation import (
  imported_dump,
  logits_dump,
  student,
  teacher_dump,
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
    dev = splits.get('dev', ())
    if options.dump.do_dump_logits:
      teacher_dump.run(task, tokenizer, dev, options, command())
    if options.imported.do_import_logits:
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
