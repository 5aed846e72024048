r"""PF and PD compared with more elaborate methods, at equal size.

  python -m recipes.paper.elaborate_methods --data_dir=DATA --scale=cpu

Patient KD   PD that also matches the teacher's [CLS] states
DistilBERT   an encoder that imitates a deeper pre-trained one, then fine-tuned
MiniLM       an encoder that imitates the relations of a wider one, then
             fine-tuned

All encoders are pre-trained here on the same text, for the same number of steps
in their last stage; --encoders is refused. docs/distillation.md describes the
methods.
"""

from recipes.paper import command
from recipes.paper.experiment import Experiment, Plan, Run
from recipes.paper.stages import Encoder
from recipes.paper.students import OWN, Start, Student

METHODS = ('PF', 'DistilBERT', 'MiniLM', 'PD', 'Patient KD')
# The weights of the example that DistilBERT's authors give.
_DISTILBERT = {
  'init': 'every_kth_layer',
  'soft_masked_lm_weight': 5,
  'hard_loss_weight': 2,
  'cosine_weight': 1,
}
_MINILM = {
  'relation_weight': 1,
  'num_relation_heads': 16,
  'hard_loss_weight': 0,
}


def encoders(plan: Plan, size: str) -> dict[str, Encoder]:
  """Returns method → the encoder that it fine-tunes."""
  stages = plan.stages
  deeper, wider = stages.deeper(size), stages.teacher_start()
  return {
    'PF': stages.pretrained(size),
    'DistilBERT': stages.pretrained(
      size,
      variant='distilbert',
      needs=deeper.needs,
      init_checkpoint=deeper.checkpoint,
      teacher_checkpoint=deeper.checkpoint,
      initializer_range=None,
      **_DISTILBERT,
    ),
    'MiniLM': stages.pretrained(
      size,
      variant='minilm',
      needs=wider.needs,
      teacher_checkpoint=wider.checkpoint,
      **_MINILM,
    ),
  }


def runs(plan: Plan) -> list[Run]:
  """Plans the students of each method."""
  scale, students = plan.scale, plan.students
  task, size = scale.tasks[0], scale.size
  with_states = plan.transfer_sets.dump(
    task,
    {'films': scale.num_films, 'train': 'all'},
    dump_cls_layers=scale.cls_layer,
  )
  starts = {
    name: Start(OWN if name == 'PF' else f'{OWN}-{name}', encoder)
    for name, encoder in encoders(plan, size).items()
  }
  planned = []
  for seed in plan.seeds:
    common = (task, size, seed)
    trained: dict[str, Student] = {
      name: students.on_labels(*common, start, method='PF')
      for name, start in starts.items()
    }
    # Other experiments have this run, too.
    trained['PD'] = students.on_dump(
      *common, starts['PF'], plan.transfer_sets.main(task)
    )
    trained['Patient KD'] = students.on_dump(
      *common, starts['PF'], with_states, patient_weight=scale.patient_weight
    )
    planned += [
      Run({'task': task, 'size': size, 'method': name, 'seed': seed}, student)
      for name, student in trained.items()
    ]
  return planned


EXPERIMENT = Experiment(
  name='elaborate_methods',
  title='More elaborate methods',
  question='Do methods that use more of a teacher than its logits beat PD?',
  figure={
    'x': 'method',
    'metric': 'score',
    'x_order': list(METHODS),
    'y_label': 'dev score',
    'connect': False,
  },
  runs=runs,
  notes=[
    'For students of the size 6/768, with BERT-Base as the teacher, the paper '
    'reports these means over GLUE dev: PD 84.4, PF 82.8, DistilBERT 82.3, '
    'Patient KD 81.7.',
    'The methods do not use the same data. PF, DistilBERT and MiniLM see only '
    "the task's labels, PD and Patient KD the transfer set.",
    'DistilBERT starts from layers of an encoder that was trained for as many '
    'steps before, and imitates it. MiniLM imitates the public model that is '
    'also the start of the teacher.',
  ],
)

if __name__ == '__main__':
  command.run(EXPERIMENT)
