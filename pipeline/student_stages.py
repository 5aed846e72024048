"""The stages that train the student: distilled, and on labels alone.

Tested by `tests/pipeline/stages_test.py`.
"""

from pipeline import data_stages
from pipeline.plan import DISTILLED, ON_LABELS, Plan, Stage, script
from pipeline.steps import Step, flag_words


def distilled(plan: Plan, needs: tuple[Step, ...]) -> list[Stage]:
  """Returns the training on the teacher's logits, and its record.

  Args:
    plan: the plan.
    needs: the steps that make the data and the dump.
  """
  num, epochs = plan.texts.num['transfer'], plan.choices.num_train_epochs.value
  own = {
    'logits_dir': plan.logits_dir,
    'learning_rate': plan.choices.learning_rate.value,
    'num_train_epochs': epochs,
    # Without it, short trainings of the quickstart's students failed.
    'adam_bias_correction': True,
  }
  command = (script('run_distillation.py'), *_flags(plan, DISTILLED, own))
  title = f'trains the student on the logits of {num:,} texts'
  step = Step(
    DISTILLED, command, plan.predictions(DISTILLED), needs, title=title
  )
  work = plan.work(DISTILLED, num * epochs, 'transfer')
  return [
    Stage(step, work.seconds(plan.rate)),
    data_stages.record(plan, DISTILLED, step),
  ]


def on_labels(plan: Plan, needs: tuple[Step, ...]) -> list[Stage]:
  """Returns the training on labels alone, and its record; none if unwanted.

  Args:
    plan: the plan.
    needs: the steps that make the data and the vocabulary.
  """
  if ON_LABELS not in plan.methods():
    return []
  num, epochs = plan.texts.num['train'], plan.choices.labels_epochs.value
  own = {
    'learning_rate': plan.choices.labels_learning_rate.value,
    'num_train_epochs': epochs,
  }
  command = (script('run_classifier.py'), *_flags(plan, ON_LABELS, own))
  title = f'trains the same student on {num:,} labels alone, to compare'
  step = Step(
    ON_LABELS, command, plan.predictions(ON_LABELS), needs, title=title
  )
  work = plan.work(ON_LABELS, num * epochs, 'train')
  return [
    Stage(step, work.seconds(plan.rate)),
    data_stages.record(plan, ON_LABELS, step),
  ]


def _flags(plan: Plan, method: str, own: dict[str, object]) -> list[str]:
  """Returns the flags of a student's training.

  Args:
    plan: the plan.
    method: the student's.
    own: the flags of this method.
  """
  models = plan.options.models
  return flag_words(
    {
      **plan.task_flags(),
      'bert_size': models.bert_size,
      'init_checkpoint': models.start(),
      'do_train': True,
      **own,
      'train_batch_size': plan.choices.train_batch_size.value,
      'seed': plan.options.job.seed,
      **plan.scored_flags(method),
    }
  )
