r"""The release's sweep: batch sizes and learning rates, and the GLUE score.

  python -m recipes.paper.release_sweep --data_dir=DATA --scale=cpu

Google's release tried every combination of a few batch sizes and rates for each
task and size, and reported the best by dev. Here a split of the training data
chooses (tools/selection_split.py); then the chosen setting is trained on all
training data with each seed, and evaluated on dev.
"""

import os
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from recipes.paper import command, scores
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import Student
from tools import run_result

_SELECTION_SEED = 1


def runs(plan: Plan) -> list[Run]:
  """Plans the sweep, and the chosen settings of those that are finished."""
  planned = []
  for task in plan.scale.tasks:
    for size in plan.scale.sweep_sizes:
      tried = _tried(plan, task, size)
      keys = {'task': task, 'size': size}
      panel = f'{task}, {size}'
      planned += [
        Run(
          {
            **keys,
            **setting,
            'seed': _SELECTION_SEED,
            'data': 'selection',
            'panel': f'{panel}, tried on a split of the training data',
          },
          x,
        )
        for setting, x in tried
      ]
      if (best := _best(tried)) is not None:
        planned += [
          Run(
            {
              **keys,
              **best,
              'seed': seed,
              'data': 'dev',
              'panel': f'{panel}, chosen, on dev',
            },
            _student(plan, task, size, seed, best),
          )
          for seed in plan.seeds
        ]
  return planned


def _tried(
  plan: Plan, task: str, size: str
) -> list[tuple[dict[str, Any], Student]]:
  """Returns each combination with its run on the split of the training data."""
  split = plan.stages.selection(task)
  settings = [
    {'batch': batch, 'rate': rate}
    for batch in plan.scale.sweep_batch_sizes
    for rate in plan.scale.sweep_rates
  ]
  folder = {'data_dir': plan.stages.path('selection', task)}
  return [
    (
      setting,
      _student(plan, task, size, _SELECTION_SEED, setting, (split,), folder),
    )
    for setting in settings
  ]


def _student(
  plan: Plan, task: str, size: str, seed: int, setting, needs=(), changes=None
) -> Student:
  return plan.students.on_labels(
    task,
    size,
    seed,
    plan.students.start(size),
    needs=needs,
    train_batch_size=setting['batch'],
    learning_rate=setting['rate'],
    num_train_epochs=plan.scale.sweep_epochs,
    **(changes or {}),
  )


def _best(
  tried: Sequence[tuple[dict[str, Any], Student]],
) -> dict[str, Any] | None:
  """Returns the setting with the best score; None before all have one."""
  if not all(os.path.exists(student.result) for _, student in tried):
    return None
  scored = [
    (scores.main_score(run_result.read(student.result)), setting)
    for setting, student in tried
  ]
  return max(scored, key=lambda x: x[0])[1]


def summarise(results: Sequence[Mapping[str, Any]]) -> list[str]:
  """Returns a sentence on each size's GLUE score over the tasks at hand.

  GLUE averages the metrics of a task, then the tasks.
  """
  by_size: dict[str, dict[str, list[float]]] = {}
  for result in results:
    keys = result['keys']
    if keys['data'] == 'dev':
      of_size = by_size.setdefault(keys['size'], {})
      of_size.setdefault(keys['task'], []).append(scores.glue_score(result))
  return [
    f'GLUE score of {size} on the dev splits of {", ".join(sorted(tasks))}: '
    f'{100 * statistics.mean(map(statistics.mean, tasks.values())):.1f}.'
    for size, tasks in by_size.items()
  ]


EXPERIMENT = Experiment(
  name='release_sweep',
  title="The release's sweep",
  question='Which batch size and learning rate suit a task, and how good is '
  'the best setting?',
  figure={
    'x': 'rate',
    'line': 'batch',
    'panel': 'panel',
    'metric': 'score',
    'x_scale': 'log',
    'x_label': 'learning rate',
    'y_label': 'score',
  },
  runs=runs,
  sizes=lambda scale: scale.sweep_sizes,
  varies_rates=True,
  summary=summarise,
  notes=[
    'Settings are chosen on a split of the training data, and only then scored '
    'on dev. The release chose by dev.'
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
