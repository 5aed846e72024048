r"""Basic, distillation, PF, PD and PDF for several sizes, and the teacher.

  python -m recipes.paper.main_comparison --data_dir=DATA --scale=cpu

The paper's main comparison. The transfer set is sentences of film reviews and
the task's own training text; for tasks with pairs, only the training pairs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from data.tasks import glue
from recipes.paper import command, published, scores
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import METHODS, RANDOM, learning_rate


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
  students, dump = plan.students, plan.transfer_sets.main(task)
  encoder = students.start(size)
  on_labels, on_dump = {}, {}
  if task in plan.scale.task_films:
    _, on_dump['num_train_epochs'] = plan.scale.task_films[task]
  if glue.get_task(task).is_pair:
    # The dump is as small as the labelled set: both are learned alike.
    on_labels = {'adam_bias_correction': True}
    on_dump = {
      'num_train_epochs': plan.scale.fine_tuning_epochs,
      'learning_rate': learning_rate('PF', size),
      'adam_bias_correction': True,
    }
  common = (task, size, seed)
  pd = students.on_dump(*common, encoder, dump, **on_dump)
  return {
    'basic': students.on_labels(*common, RANDOM, **on_labels),
    'PF': students.on_labels(*common, encoder, **on_labels),
    'PD': pd,
    'distillation': students.on_dump(*common, RANDOM, dump, **on_dump),
    'PDF': students.on_labels(
      *common, students.after(pd), method='PDF', **on_labels
    ),
  }


def summarise(results: Sequence[Mapping[str, Any]]) -> list[str]:
  """Returns the teacher's score on each task, where the results have it."""
  found = {
    result['keys']['task']: score
    for result in results
    if (score := scores.teacher_score(result)) is not None
  }
  return [f'The teacher has {x:.3f} on {task}.' for task, x in found.items()]


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
  sizes=lambda scale: (*scale.sizes, scale.size),
  paper=published.MAIN,
  paper_source=published.FIGURES,
  summary=summarise,
  notes=[
    'The score is accuracy for SST-2, Matthews correlation for CoLA and '
    'Pearson correlation for STS-B.'
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
