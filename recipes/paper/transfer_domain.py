r"""How much does the domain of the transfer set matter?

  python -m recipes.paper.transfer_domain --data_dir=DATA --scale=cpu

PD, PDF and distillation on the same number of sentences of five domains. Their
similarity to the task is the Spearman correlation of unigram frequencies
(tools/unigram_similarity.py).
"""

from recipes.paper import command, published
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.students import RANDOM
from system import files
from system.steps import Step

DOMAINS = ('films', 'dvd', 'books', 'electronics', 'kitchen')


def runs(plan: Plan) -> list[Run]:
  """Plans the students of each domain."""
  scale, students = plan.scale, plan.students
  task, size = scale.tasks[0], scale.size
  encoder = plan.students.start(size)
  [computed] = comparison(plan)
  similarities = files.read_object_if_there(computed.done)
  planned = []
  for seed in plan.seeds:
    for domain in DOMAINS:
      parts = {domain: scale.domain_examples}
      dump = plan.transfer_sets.dump(task, parts, needs=(computed,))
      epochs = {'num_train_epochs': scale.domain_epochs}
      pd = students.on_dump(task, size, seed, encoder, dump, **epochs)
      trained = {
        'distillation': students.on_dump(
          task, size, seed, RANDOM, dump, **epochs
        ),
        'PD': pd,
        'PDF': students.on_labels(
          task, size, seed, students.after(pd), method='PDF'
        ),
      }
      keys = {'task': task, 'size': size, 'domain': domain, 'seed': seed}
      similarity = similarities.get(domain, 0)  # 0 if it is not known yet.
      planned += [
        Run({**keys, 'method': method, 'similarity': similarity}, student)
        for method, student in trained.items()
      ]
  return planned


def comparison(plan: Plan) -> list[Step]:
  """Plans the comparison of the domains with the task."""
  return [plan.transfer_sets.similarity(plan.scale.tasks[0], DOMAINS)]


EXPERIMENT = Experiment(
  name='transfer_domain',
  title='Domain of the transfer set',
  question='How much does the domain of the transfer set matter?',
  figure={
    'x': 'similarity',
    'line': 'method',
    'metric': 'score',
    'x_scale': 'linear',
    'x_names': 'domain',
    'line_order': ['distillation', 'PD', 'PDF'],
    'x_label': 'Spearman correlation of unigram frequencies with the task',
    'y_label': 'dev score',
  },
  runs=runs,
  first=comparison,
  sizes=lambda scale: (scale.size,),
  paper=published.DOMAINS,
  paper_source=f'{published.FIGURES} BERT-Mini on book reviews, 1.7 million.',
  notes=[
    'All domains have the same number of sentences: 11,000 at scale cpu, read '
    'ten times in 3,437 steps. Unlike the main comparison, the transfer sets '
    "lack the task's training text."
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
