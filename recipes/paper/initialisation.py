r"""Which weights should a student start from?

  python -m recipes.paper.initialisation --data_dir=DATA --scale=cpu

Random weights, only a pre-trained encoder's word embeddings, the lowest layers
of a deeper encoder of the same width, and an encoder pre-trained at its size;
each fine-tuned and distilled. Both encoders are pre-trained here, for the same
number of steps on the same text; --encoders is refused.
"""

from recipes.paper import command
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import OWN, RANDOM, Start

STARTS = ('random', 'word embeddings', 'truncated', 'pre-trained')


def starts(plan: Plan, size: str) -> dict[str, Start]:
  """Returns the four starts of a size."""
  own, deeper = plan.stages.pretrained(size), plan.stages.deeper(size)
  return dict(
    zip(
      STARTS,
      (
        RANDOM,
        Start(f'{OWN}-words', own, 'word_embeddings'),
        Start(f'{OWN}-truncated', deeper, 'bottom_layers'),
        Start(OWN, own),
      ),
      strict=True,
    )
  )


def runs(plan: Plan) -> list[Run]:
  """Plans a fine-tuned and a distilled student for each start."""
  task, size, students = plan.scale.tasks[0], plan.scale.size, plan.students
  dump = plan.transfer_sets.main(task)
  planned = []
  for seed in plan.seeds:
    for name, start in starts(plan, size).items():
      keys = {'task': task, 'size': size, 'start': name, 'seed': seed}
      tuned = students.on_labels(task, size, seed, start)
      distilled = students.on_dump(task, size, seed, start, dump)
      planned += [
        Run({**keys, 'training': 'fine-tuned'}, tuned),
        Run({**keys, 'training': 'distilled'}, distilled),
      ]
  return planned


EXPERIMENT = Experiment(
  name='initialisation',
  title='Initialisation',
  question='Which weights should a student start from?',
  figure={
    'x': 'start',
    'line': 'training',
    'metric': 'score',
    'x_order': list(STARTS),
    'line_order': ['fine-tuned', 'distilled'],
    'y_label': 'dev score',
    'connect': False,
  },
  runs=runs,
  notes=[
    'Random weights are distilled with the learning rate that `selection` '
    'chose for them, the other starts with that of PD.',
    'The paper made this comparison on MNLI, where the distilled students of '
    'five sizes ordered as pre-trained, truncated, word embeddings, random.',
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
