r"""Chooses the students' learning rates, on a split of the training data.

  python -m recipes.paper.selection --data_dir=DATA --scale=cpu --seeds=1

Trains each method with several rates. Students on labels leave out the new dev
split (tools/selection_split.py); students on a dump see film reviews only,
though their teacher has seen that split. The dev split that the other
experiments report chooses nothing. Write the choice to
`students.LEARNING_RATES`.
"""

from recipes.paper import experiment
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.main_comparison import TEACHER_SEED
from recipes.paper.students import RANDOM, Start

RATES = (1e-4, 3e-4, 1e-3)


def runs(plan: Plan) -> list[Run]:
  """Plans a run for each method and rate."""
  students, scale = plan.students, plan.scale
  task, size = scale.tasks[0], scale.size
  starts = {'random': RANDOM, 'wiki': Start('wiki', plan.stages.encoder(size))}
  split = plan.stages.selection(task)
  films = scale.selection_films or scale.num_films
  dump = plan.transfer_sets.dump(
    task, {'films': films}, (TEACHER_SEED,), (split,)
  )
  epochs = scale.selection_epochs or scale.distillation_epochs
  planned = []
  for seed in plan.seeds:
    for rate in RATES:
      changes = {'data_dir': plan.stages.path('selection', task)}
      changes['learning_rate'] = rate
      on_dump = {'num_train_epochs': epochs, **changes}
      common = (task, size, seed)
      trained = {
        'basic': students.on_labels(
          *common, starts['random'], needs=(split,), **changes
        ),
        'PF': students.on_labels(
          *common, starts['wiki'], needs=(split,), **changes
        ),
        'distillation': students.on_dump(
          *common, starts['random'], dump, **on_dump
        ),
        'PD': students.on_dump(*common, starts['wiki'], dump, **on_dump),
      }
      keys = {'task': task, 'size': size, 'rate': rate, 'seed': seed}
      planned += [
        Run({**keys, 'method': name}, student)
        for name, student in trained.items()
      ]
  return planned


EXPERIMENT = Experiment(
  name='selection',
  title='Selection of the learning rates',
  question='Which peak learning rate suits each method?',
  figure={
    'x': 'rate',
    'line': 'method',
    'metric': 'score',
    'x_scale': 'log',
    'line_order': ['basic', 'distillation', 'PF', 'PD'],
    'x_label': 'learning rate',
    'y_label': 'score on a split of the training data',
  },
  runs=runs,
  sizes=lambda scale: (scale.size,),
  notes=[
    'The release instead chose among 20 settings by the dev split that it '
    'reports.'
  ],
)

if __name__ == '__main__':
  experiment.run(EXPERIMENT)
