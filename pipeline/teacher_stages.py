"""The stages that make the teacher and its logits dump.

Tested by `tests/pipeline/stages_test.py`.
"""

import os

from distillation import dump_manifest
from modeling.checkpoints.file_names import INDEX, PREFIX
from pipeline import data_stages, models
from pipeline.estimates import Work
from pipeline.plan import SCORED_BATCH, TEACHER, Plan, Stage
from system import project
from system.steps import Step, flag_words


def make(plan: Plan, needs: tuple[Step, ...]) -> list[Stage]:
  """Returns the stages up to the dump; none if there is one already.

  Args:
    plan: the plan.
    needs: the steps that make the data and the vocabulary.
  """
  if plan.models.teacher.kind == models.DUMP:
    return []
  teacher = _train(plan, needs)
  is_own = plan.models.teacher.is_trained_here
  elsewhere = None if is_own else _start(plan)
  record = data_stages.record(plan, TEACHER, teacher.step, elsewhere)
  return [teacher, record, _dump(plan, teacher.step)]


def import_weights(plan: Plan) -> list[Stage]:
  """Returns the stage that converts a Hugging Face folder, if there is one."""
  if not plan.models.teacher.is_converted:
    return []
  command = (
    *('-m', 'tools.import_hugging_face'),
    f'--input_dir={plan.models.teacher.path}',
    f'--output_dir={plan.imported_dir}',
    # Its fine-tuning trains a pooler, if the model has none.
    *['--fresh_pooler'] * plan.models.teacher.is_trained_here,
  )
  done = os.path.join(plan.imported_dir, PREFIX + INDEX)
  title = 'converts the Hugging Face folder'
  step = Step('teacher-start', command, done, title=title)
  return [Stage(step, data_stages.SHORT_SECONDS)]


def _train(plan: Plan, needs: tuple[Step, ...]) -> Stage:
  """Fine-tunes the teacher, unless it is fine-tuned, and scores it."""
  choices, num = plan.choices, plan.texts.num['train']
  values, num_trained = {}, 0.0
  title = 'scores the teacher, which is fine-tuned already'
  if plan.models.teacher.is_trained_here:
    values = {
      'do_train': True,
      'learning_rate': choices.teacher_learning_rate.value,
      'num_train_epochs': choices.teacher_epochs.value,
      'train_batch_size': choices.train_batch_size.value,
      'seed': plan.options.job.seed,
      'keep_checkpoint_max': 1,
    }
    num_trained = num * choices.teacher_epochs.value
    title = f'fine-tunes the teacher on {num:,} texts and scores it'
  command = (
    project.path('run_classifier.py'),
    *flag_words({**plan.task_flags(), 'init_checkpoint': _start(plan)}),
    *flag_words({**values, **plan.scored_flags(TEACHER)}),
  )
  done = plan.predictions(TEACHER)
  work = plan.work(TEACHER, num_trained, 'train')
  step = Step(TEACHER, command, done, needs, title=title)
  return Stage(step, work.seconds(plan.rate))


def _start(plan: Plan) -> str:
  teacher = plan.models.teacher
  return plan.imported_dir if teacher.is_converted else teacher.path


def _dump(plan: Plan, teacher: Step) -> Stage:
  """Lets the teacher score the transfer set."""
  is_own = plan.models.teacher.is_trained_here
  values = {
    **plan.task_flags(),
    'do_dump_logits': True,
    'teacher_checkpoint': plan.folder(TEACHER) if is_own else _start(plan),
    'transfer_file': ','.join(plan.options.source.transfer_file) or None,
    **plan.texts.transfer_columns,
    'transfer_split': 'train',
    'predict_batch_size': SCORED_BATCH,
    'allow_weak_teacher': plan.options.job.allow_weak_teacher or None,
    'logits_dir': plan.logits_dir,
  }
  num, limit = plan.texts.num['transfer'], plan.choices.max_seq_length.value
  length = plan.texts.mean_length('transfer', limit)
  work = Work(plan.models.teacher.config, 0, num, length)
  step = Step(
    'dump',
    (project.path('run_distillation.py'), *flag_words(values)),
    os.path.join(plan.logits_dir, dump_manifest.FILE_NAME),
    (teacher,),
    title=f'the teacher scores {num:,} texts',
  )
  return Stage(step, work.seconds(plan.rate))
