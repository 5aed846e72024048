r"""Do pre-training and distillation on the same text add up?

  python -m recipes.paper.compound_effect --data_dir=DATA --scale=cpu

The film reviews are both the text that the student is pre-trained on and its
transfer set (D_LM = D_T). PD is compared with each on its own: PF and
distillation. The encoder is pre-trained here; --encoders is refused.
"""

from recipes.paper import command
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import RANDOM, Start


def runs(plan: Plan) -> list[Run]:
  """Plans the four methods with the reviews as the only text."""
  scale, students = plan.scale, plan.students
  task, size = scale.tasks[0], scale.size
  encoder = Start('films', plan.stages.pretrained(size, 'films'))
  parts = {'films': scale.num_films}
  dump = plan.transfer_sets.dump(task, parts)
  planned = []
  for seed in plan.seeds:
    trained = {
      'basic': students.on_labels(task, size, seed, RANDOM),
      'PF': students.on_labels(task, size, seed, encoder),
      'distillation': students.on_dump(task, size, seed, RANDOM, dump),
      'PD': students.on_dump(task, size, seed, encoder, dump),
    }
    planned += [
      Run({'task': task, 'size': size, 'method': name, 'seed': seed}, student)
      for name, student in trained.items()
    ]
  return planned


EXPERIMENT = Experiment(
  name='compound_effect',
  title='The compound effect',
  question='Do pre-training and distillation on the same text add up?',
  figure={
    'x': 'method',
    'metric': 'score',
    'x_order': ['basic', 'PF', 'distillation', 'PD'],
    'y_label': 'dev score',
    'connect': False,
  },
  runs=runs,
  notes=[
    'The paper made this comparison on MNLI: PD 64.0 and PF 61.3 for '
    'BERT-Tiny, 74.7 and 72.6 for BERT-Mini.'
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
