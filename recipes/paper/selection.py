r"""Chooses the students' learning rates, on a split of the training data.

  python -m recipes.paper.selection --data_dir=DATA --scale=cpu --seeds=1

Trains each method with several rates. Students on labels leave out the new dev
split (tools/selection_split.py); students on a dump see film reviews only,
though their teacher has seen that split. The dev split that the other
experiments report chooses nothing. Write the choice to the table of
students.py.
"""

import itertools

from recipes.paper import command
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import RANDOM

RATES = (1e-4, 3e-4, 1e-3, 3e-3)


def runs(plan: Plan) -> list[Run]:
  """Plans a run for each method, transfer set and rate."""
  students, scale = plan.students, plan.scale
  task, size = scale.tasks[0], scale.size
  encoder = students.start(size)
  split = plan.stages.selection(task)
  sets = scale.selection_sets or ((scale.num_films, scale.distillation_epochs),)
  planned = []
  for seed, rate in itertools.product(plan.seeds, RATES):
    keys = {'task': task, 'size': size, 'rate': rate, 'seed': seed}
    common = (task, size, seed)
    changes = {
      'data_dir': plan.stages.path('selection', task),
      'learning_rate': rate,
    }
    for method, start in (('basic', RANDOM), ('PF', encoder)):
      student = students.on_labels(*common, start, needs=(split,), **changes)
      labels = {'method': method, 'learns from': 'labels'}
      planned.append(Run({**keys, **labels}, student))
    for films, epochs in sets:
      dump = plan.transfer_sets.dump(task, {'films': films}, needs=(split,))
      for method, start in (('distillation', RANDOM), ('PD', encoder)):
        student = students.on_dump(
          *common, start, dump, num_train_epochs=epochs, **changes
        )
        texts = {'method': method, 'learns from': f'{films} sentences'}
        planned.append(Run({**keys, **texts}, student))
  return planned


EXPERIMENT = Experiment(
  name='selection',
  title='Selection of the learning rates',
  question='Which peak learning rate suits each method?',
  figure={
    'x': 'rate',
    'line': 'method',
    'panel': 'learns from',
    'metric': 'score',
    'x_scale': 'log',
    'line_order': ['basic', 'distillation', 'PF', 'PD'],
    'x_label': 'learning rate',
    'y_label': 'score on a split of the training data',
  },
  runs=runs,
  sizes=lambda scale: (scale.size,),
  varies_rates=True,
  notes=[
    'The release instead chose among 20 settings by the dev split that it '
    'reports.'
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
