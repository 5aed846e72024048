r"""Does a better teacher make a better student?

  python -m recipes.paper.teacher_ensemble --data_dir=DATA --scale=cpu

PD from one teacher, and from the mean of three that differ in their seed. The
teachers score a part of the film reviews and the task's training text; the
students read as many examples of either dump.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from recipes.paper import command, scores
from recipes.paper.experiment import Experiment, Plan, Run

TEACHER_SEEDS = (1, 2, 3)


def runs(plan: Plan) -> list[Run]:
  """Plans PD from one teacher and from the ensemble, and PF."""
  scale, students = plan.scale, plan.students
  task, size = scale.tasks[0], scale.size
  encoder = students.start(size)
  films, epochs = scale.ensemble_films
  parts = {'films': films, 'train': 'all'}
  planned = []
  for seed in plan.seeds:
    keys = {'task': task, 'size': size, 'seed': seed}
    planned.append(
      Run(
        {**keys, 'method': 'PF'}, students.on_labels(task, size, seed, encoder)
      )
    )
    for teachers in (TEACHER_SEEDS[:1], TEACHER_SEEDS):
      dump = plan.transfer_sets.dump(
        task, parts, teachers, max_transfer_examples=films
      )
      student = students.on_dump(
        task, size, seed, encoder, dump, num_train_epochs=epochs
      )
      planned.append(
        Run({**keys, 'method': 'PD', 'teachers': len(teachers)}, student)
      )
  return planned


def summarise(results: Sequence[Mapping[str, Any]]) -> list[str]:
  """Returns the teachers' own scores, which the students' results have."""
  found = {
    result['keys']['teachers']: score
    for result in results
    if (score := scores.teacher_score(result)) is not None
  }
  if not found:
    return []
  listed = ', '.join(f'{n}: {score:.3f}' for n, score in sorted(found.items()))
  return [f"The teachers' own score on dev, by their number: {listed}."]


EXPERIMENT = Experiment(
  name='teacher_ensemble',
  title='Ensemble of teachers',
  question='Does a better teacher make a better student?',
  figure={
    'x': 'teachers',
    'line': 'method',
    'metric': 'score',
    'line_order': ['PF', 'PD'],
    'x_label': 'teachers',
    'y_label': 'dev score',
    'connect': False,
  },
  runs=runs,
  sizes=lambda scale: (scale.size,),
  summary=summarise,
  notes=['The paper has one teacher for each task, BERT-Large.'],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
