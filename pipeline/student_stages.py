"""The stages that train the student: distilled, and on labels only.

Tested by `tests/pipeline/stages_test.py`.
"""

from pipeline import data_stages
from pipeline.plan import DISTILLED, ON_LABELS, Plan, Stage
from system import project
from system.steps import Step, flag_words


def distilled(plan: Plan, needs: tuple[Step, ...]) -> list[Stage]:
  """Returns the training on the teacher's logits, and its record.

  Args:
    plan: the plan.
    needs: the steps that make the data and the dump.
  """
  own = {
    'logits_dir': plan.logits_dir,
    'learning_rate': plan.choices.learning_rate.value,
    'num_train_epochs': plan.choices.num_train_epochs.value,
  }
  title = 'trains the student on the logits of {:,} texts'
  return _training(plan, DISTILLED, own, 'transfer', needs, title)


def on_labels(plan: Plan, needs: tuple[Step, ...]) -> list[Stage]:
  """Returns the training on labels only, and its record; none if unwanted.

  Args:
    plan: the plan.
    needs: the steps that make the data and the vocabulary.
  """
  if ON_LABELS not in plan.methods():
    return []
  own = {
    'learning_rate': plan.choices.labels_learning_rate.value,
    'num_train_epochs': plan.choices.labels_epochs.value,
  }
  title = 'trains the same student on {:,} labels only, to compare'
  return _training(plan, ON_LABELS, own, 'train', needs, title)


def _training(
  plan: Plan,
  method: str,
  own: dict[str, object],
  texts: str,
  needs: tuple[Step, ...],
  title: str,
) -> list[Stage]:
  """Returns the training of a student, and its record.

  Args:
    plan: the plan.
    method: the student's.
    own: the flags of this method.
    texts: what it learns from, 'train' or 'transfer'.
    needs: the steps that must be done before.
    title: with a place for the number of texts.
  """
  distils, num = method == DISTILLED, plan.texts.num[texts]
  name = 'run_distillation.py' if distils else 'run_classifier.py'
  step = Step(
    method,
    (project.path(name), *_flags(plan, method, own)),
    plan.predictions(method),
    needs,
    title=title.format(num),
  )
  work = plan.work(method, num * own['num_train_epochs'], texts)
  return [
    Stage(step, work.seconds(plan.rate)),
    data_stages.record(plan, method, step),
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
      # Distilled on 2,000 reviews with 1e-3, two seeds: 0.920 and 0.920 on dev
      # with it, 0.895 and 0.920 without.
      'adam_bias_correction': True,
      **own,
      'train_batch_size': plan.choices.train_batch_size.value,
      'seed': plan.options.job.seed,
      'keep_checkpoint_max': 1,
      **plan.scored_flags(method),
    }
  )
