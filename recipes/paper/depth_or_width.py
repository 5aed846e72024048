r"""Should a budget of weights, or of time, go into depth or into width?

  python -m recipes.paper.depth_or_width --data_dir=DATA --scale=cpu

PD for several of the 24 sizes. The table shows each student's weights next to
its score: compare sizes of about the same number, or, with the times of
`benchmarks.compact_sizes`, of the same speed. All encoders are pre-trained
here; --encoders is refused.
"""

from recipes.paper import command
from recipes.paper.experiment import Experiment, Plan, Run


def runs(plan: Plan) -> list[Run]:
  """Plans PD for each size."""
  task = plan.scale.tasks[0]
  dump = plan.transfer_sets.main(task)
  planned = []
  for size in plan.scale.grid:
    layers, hidden = map(int, size.split('/'))
    start = plan.students.start(size)
    planned += [
      Run(
        {
          'task': task,
          'size': size,
          'layers': layers,
          'hidden': hidden,
          'method': 'PD',
          'seed': seed,
        },
        plan.students.on_dump(task, size, seed, start, dump),
      )
      for seed in plan.seeds
    ]
  return planned


EXPERIMENT = Experiment(
  name='depth_or_width',
  title='Depth or width',
  question='Should a budget of weights, or of time, go into depth or width?',
  figure={
    'x': 'layers',
    'line': 'hidden',
    'metric': 'score',
    'x_scale': 'linear',
    'x_label': 'layers',
    'y_label': 'dev score of PD',
  },
  runs=runs,
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
