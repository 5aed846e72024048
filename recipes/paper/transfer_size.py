r"""How many unlabelled sentences does distillation need?

  python -m recipes.paper.transfer_size --data_dir=DATA --scale=cpu

PD and distillation on growing samples of the film reviews, all trained for the
same number of steps, and PF, which needs none. A smaller sample is part of a
larger one.
"""

import math

from recipes.paper import command, published
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import RANDOM


def runs(plan: Plan) -> list[Run]:
  """Plans PD and distillation for each size of the transfer set, and PF."""
  scale, students = plan.scale, plan.students
  task, size = scale.tasks[0], scale.size
  encoder = plan.students.start(size)
  planned = []
  for seed in plan.seeds:
    keys = {'task': task, 'size': size, 'seed': seed}
    planned.append(
      Run(
        {**keys, 'method': 'PF'}, students.on_labels(task, size, seed, encoder)
      )
    )
    for count in scale.transfer_sizes:
      dump = plan.transfer_sets.dump(task, {'films': count})
      epochs = _epochs(scale.transfer_steps * scale.train_batch_size, count)
      for method, start in (('PD', encoder), ('distillation', RANDOM)):
        student = students.on_dump(
          task, size, seed, start, dump, num_train_epochs=epochs
        )
        planned.append(
          Run({**keys, 'method': method, 'sentences': count}, student)
        )
  return planned


def _epochs(num_examples: int, count: int) -> float:
  """Returns the epochs over `count` sentences that make `num_examples`.

  They are rounded up, because a last part of a batch is not a step.
  """
  return math.ceil(1e6 * num_examples / count) / 1e6


EXPERIMENT = Experiment(
  name='transfer_size',
  title='Size of the transfer set',
  question='How many unlabelled sentences does distillation need?',
  figure={
    'x': 'sentences',
    'line': 'method',
    'metric': 'score',
    'x_scale': 'log',
    'line_order': ['distillation', 'PF', 'PD'],
    'x_label': 'sentences in the transfer set',
    'y_label': 'dev score',
  },
  runs=runs,
  sizes=lambda scale: (scale.size,),
  paper=published.TRANSFER_SIZES,
  paper_source=f'{published.FIGURES} BERT-Mini on book reviews.',
  notes=[
    'All students of PD and distillation train for the same number of steps: '
    '14,000 of 32 sentences at scale cpu, where the main comparison has 19,552 '
    "on all sentences and the task's training text."
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
