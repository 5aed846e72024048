r"""Basic, distillation, PF, PD and PDF for several sizes, beside the teacher.

  python -m recipes.paper.main_comparison --data_dir=DATA --scale=cpu

The paper's main comparison. The transfer set is sentences of film reviews and
the task's own training text.
"""

from recipes.paper import experiment, published
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import METHODS, RANDOM, Start
from recipes.paper.transfer_sets import Dump

TEACHER_SEED = 1
# Its transfer set is its training pairs: the film reviews have no pairs.
_WITHOUT_TEXT = ('STS-B',)


def main_dump(plan: Plan, task: str = 'SST-2') -> Dump:
  """Returns the transfer set that most experiments share."""
  parts = {} if task in _WITHOUT_TEXT else {'films': plan.scale.num_films}
  return plan.transfer_sets.dump(
    task, {**parts, 'train': 'all'}, (TEACHER_SEED,)
  )


def runs(plan: Plan) -> list[Run]:
  """Plans the students; all sizes on the first task."""
  main, *others = plan.scale.tasks
  pairs = [(main, size) for size in plan.scale.sizes]
  pairs += [(task, plan.scale.size) for task in others]
  return [
    Run({'task': task, 'size': size, 'method': method, 'seed': seed}, student)
    for task, size in pairs
    for seed in plan.seeds
    for method, student in methods(plan, task, size, seed).items()
  ]


def methods(plan: Plan, task: str, size: str, seed: int) -> dict:
  """Returns method → student."""
  students, dump = plan.students, main_dump(plan, task)
  encoder = Start('wiki', plan.stages.encoder(size))
  # Without film reviews a dump is as small as the labelled set.
  is_small = task in _WITHOUT_TEXT
  epochs = {'num_train_epochs': plan.scale.fine_tuning_epochs}
  changes = epochs if is_small else {}
  pd = students.on_dump(task, size, seed, encoder, dump, **changes)
  return {
    'basic': students.on_labels(task, size, seed, RANDOM),
    'PF': students.on_labels(task, size, seed, encoder),
    'PD': pd,
    'distillation': students.on_dump(task, size, seed, RANDOM, dump, **changes),
    'PDF': students.on_labels(
      task, size, seed, students.after(pd), method='PDF'
    ),
  }


EXPERIMENT = Experiment(
  name='main_comparison',
  title='Main comparison',
  question=(
    'Which way of training a compact model is best, and does the order of the '
    'methods depend on its size?'
  ),
  figure={
    'x': 'size',
    'line': 'method',
    'panel': 'task',
    'metric': 'score',
    'line_order': list(METHODS),
    'y_label': 'dev score',
  },
  runs=runs,
  paper=published.MAIN,
  paper_source=published.FIGURES,
  notes=[
    'The score is accuracy for SST-2, Matthews correlation for CoLA and '
    'Pearson correlation for STS-B.'
  ],
)

if __name__ == '__main__':
  experiment.run(EXPERIMENT)
