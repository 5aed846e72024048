r"""How many steps of pre-training does a student need before fine-tuning?

  python -m recipes.paper.pretraining_steps --data_dir=DATA --scale=cpu

PF from encoders that were pre-trained for more and more steps, each with its
own schedule, and basic, which has no pre-training. All encoders are pre-trained
here; --encoders is refused.
"""

from recipes.paper import command
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import OWN, RANDOM, Start


def runs(plan: Plan) -> list[Run]:
  """Plans PF from each encoder, and basic."""
  scale, students = plan.scale, plan.students
  task, size = scale.tasks[0], scale.size
  starts = _starts(plan, size)
  planned = []
  for seed in plan.seeds:
    keys = {'task': task, 'size': size, 'seed': seed}
    basic = students.on_labels(task, size, seed, RANDOM)
    planned.append(Run({**keys, 'method': 'basic'}, basic))
    for count, start in starts.items():
      student = students.on_labels(task, size, seed, start)
      planned.append(Run({**keys, 'method': 'PF', 'records': count}, student))
  return planned


def _starts(plan: Plan, size: str) -> dict[int, Start]:
  """Returns the number of records → the encoder pre-trained on them."""
  whole = plan.scale.pretraining
  steps, batch = whole['num_train_steps'], whole['train_batch_size']
  starts = {}
  for shorter in plan.scale.shorter_pretraining:
    encoder = plan.stages.pretrained(
      size,
      variant=f'{shorter}-steps',
      num_train_steps=shorter,
      num_warmup_steps=whole['num_warmup_steps'] * shorter // steps,
    )
    starts[shorter * batch] = Start(f'{OWN}-{shorter}-steps', encoder)
  starts[steps * batch] = Start(OWN, plan.stages.pretrained(size))
  return starts


EXPERIMENT = Experiment(
  name='pretraining_steps',
  title='Length of pre-training',
  question=(
    'How many steps of pre-training does a student need before fine-tuning?'
  ),
  figure={
    'x': 'records',
    'line': 'method',
    'metric': 'score',
    'x_scale': 'log',
    'line_order': ['basic', 'PF'],
    'x_label': 'records of pre-training',
    'y_label': 'dev score',
  },
  runs=runs,
  notes=[
    "The paper has no such figure; its students start from the release's "
    'encoders.'
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
