"""How much each scale of the paper's experiments trains.

smoke  minutes: shows that every command works; its scores mean nothing
cpu    hours on 2 cores
gpu    a plan for minutes to hours on one GPU; not run
full   a plan with the paper's sizes and steps, on a TPU
"""

import dataclasses
from collections.abc import Mapping

from modeling import configs


@dataclasses.dataclass(frozen=True)
class Scale:
  """The settings that differ between scales.

  Attributes:
    sizes: the students of the main comparison.
    size: the student of experiments with a single size.
    tasks: the tasks of the main comparison; the first has all sizes, the others
      have only `size`.
    pretraining: flags of run_pretraining.py.
    shorter_pretraining: the other steps of `pretraining_steps`.
    records: flags of create_pretraining_data.py.
    teacher_epochs: epochs of the teacher's fine-tuning.
    fine_tuning_epochs: epochs of students on labels.
    distillation_epochs: epochs of students on a dump.
    num_films: sentences of film reviews in the main transfer set, or 'all'.
    task_films: task → the same and the epochs over them, where they are not
      `num_films` and `distillation_epochs`.
    ensemble_films: sentences of film reviews that each teacher of an ensemble
      scores, and the epochs over them and the task's training text.
    transfer_sizes: sentences in the transfer sets of `transfer_size`. The
      unlabelled reviews of aclImdb have 558,330 different ones.
    transfer_steps: the steps of every run of `transfer_size`.
    domain_examples: sentences of each domain.
    domain_epochs: epochs over them.
    sweep_sizes: the students of `release_sweep`.
    sweep_batch_sizes, sweep_rates, sweep_epochs: what it tries.
    grid: the students of `depth_or_width`.
    cls_layer: the teacher's layer whose [CLS] states Patient KD matches; with
      students of two layers there is one, in the middle.
    patient_weight: the weight of its loss: 100 in the code of its authors, who
      tried 10 to 1,000, divided by the hidden size of MiniLM.
    release_sizes: the encoders of `release`.
    heldout_steps: the batches of held-out text that evaluate them.
    max_scored: the maximum number of sentences of a text that a teacher scores;
      None for all.
    selection_examples: examples of the split that chooses settings.
    selection_sets: the transfer sets behind that choice, each a number of
      sentences of film reviews and the epochs over them; without any, it is
      that of `num_films`.
    train_batch_size: of all students.
    eval_batch_size: also of scoring.
    device: flags of every command that trains, scores or evaluates.
  """

  sizes: tuple[str, ...]
  size: str
  tasks: tuple[str, ...]
  pretraining: dict[str, object]
  shorter_pretraining: tuple[int, ...]
  records: dict[str, object]
  teacher_epochs: float
  fine_tuning_epochs: float
  distillation_epochs: float
  num_films: int | str
  transfer_sizes: tuple[int, ...]
  transfer_steps: int
  domain_examples: int
  domain_epochs: float = 10
  task_films: Mapping[str, tuple[int, float]] = dataclasses.field(
    default_factory=dict
  )
  ensemble_films: tuple[int, float] = (100_000, 3)
  sweep_sizes: tuple[str, ...] = ('2/128',)
  sweep_batch_sizes: tuple[int, ...] = (8, 16, 32, 64, 128)
  sweep_rates: tuple[float, ...] = (3e-4, 1e-4, 5e-5, 3e-5)
  sweep_epochs: float = 4
  grid: tuple[str, ...] = configs.COMPACT_SIZES
  cls_layer: int = 3
  patient_weight: float = 0.26
  release_sizes: tuple[str, ...] = configs.COMPACT_SIZES
  heldout_steps: int = 500
  max_scored: int | None = None
  selection_examples: int = 1000
  selection_sets: tuple[tuple[int, float], ...] = ()
  train_batch_size: int = 32
  eval_batch_size: int = 64
  device: Mapping[str, object] = dataclasses.field(default_factory=dict)


_SMOKE_LENGTHS = {'max_seq_length': 32, 'max_predictions_per_seq': 5}
_CPU_LENGTHS = {'max_seq_length': 64, 'max_predictions_per_seq': 10}
_LENGTHS = {'max_seq_length': 128, 'max_predictions_per_seq': 20}
# Small models that are trained briefly learn faster from larger weights and
# without dropout.
_BRIEF = {'initializer_range': 0.06, 'dropout_rate': 0}

SCALES = {
  'smoke': Scale(
    sizes=('2/128',),
    size='2/128',
    tasks=('SST-2',),
    pretraining={
      **_SMOKE_LENGTHS,
      **_BRIEF,
      'train_batch_size': 32,
      'num_train_steps': 20,
      'num_warmup_steps': 2,
      'learning_rate': 1e-3,
    },
    shorter_pretraining=(10,),
    records={**_SMOKE_LENGTHS, 'dupe_factor': 1},
    teacher_epochs=0.01,
    fine_tuning_epochs=0.01,
    distillation_epochs=0.2,
    num_films=300,
    ensemble_films=(300, 0.2),
    transfer_sizes=(100, 300),
    transfer_steps=20,
    domain_examples=200,
    domain_epochs=1,
    sweep_batch_sizes=(16,),
    sweep_rates=(3e-4, 1e-4),
    sweep_epochs=0.01,
    grid=('2/128', '4/128'),
    heldout_steps=20,
    max_scored=500,
    cls_layer=1,
    selection_examples=50,
  ),
  'cpu': Scale(
    sizes=('2/128', '4/128', '2/256', '4/256'),
    size='2/128',
    tasks=('SST-2', 'CoLA', 'STS-B'),
    pretraining={
      **_CPU_LENGTHS,
      **_BRIEF,
      'train_batch_size': 32,
      'num_train_steps': 14_000,
      'num_warmup_steps': 1_000,
      'learning_rate': 1e-3,
    },
    shorter_pretraining=(1_400, 4_400),
    records={**_CPU_LENGTHS, 'dupe_factor': 2},
    teacher_epochs=2,
    fine_tuning_epochs=3,
    distillation_epochs=1,
    num_films='all',
    # Another teacher would take most of an hour to score all.
    task_films={'CoLA': (100_000, 3)},
    # For the main comparison, and for transfer sets as small as a domain's.
    selection_sets=((100_000, 3), (11_000, 10)),
    transfer_sizes=(4_000, 13_000, 40_000, 130_000, 550_000),
    transfer_steps=14_000,
    domain_examples=11_000,
    sweep_batch_sizes=(16, 64),
    sweep_rates=(1e-3, 3e-4, 1e-4),
    grid=('2/128', '4/128', '6/128', '2/256', '4/256'),
    release_sizes=('2/128', '4/128', '2/256', '4/256'),
  ),
  'gpu': Scale(
    sizes=('2/128', '4/256', '4/512', '8/512'),
    size='4/256',
    tasks=('SST-2', 'CoLA', 'STS-B'),
    pretraining={
      **_LENGTHS,
      'dropout_rate': 0,
      'precision': 'bfloat16',
      'train_batch_size': 512,
      'num_train_steps': 40_000,
      'num_warmup_steps': 4_000,
      'learning_rate': 1e-3,
    },
    shorter_pretraining=(1_300, 4_000, 13_000),
    records={**_LENGTHS, 'dupe_factor': 5},
    teacher_epochs=3,
    fine_tuning_epochs=4,
    distillation_epochs=6,
    num_films='all',
    transfer_sizes=(4_000, 13_000, 40_000, 130_000, 550_000),
    transfer_steps=40_000,
    sweep_sizes=('2/128', '4/256', '4/512', '8/512'),
    domain_examples=11_000,
    eval_batch_size=256,
  ),
  # Pre-training as BERT's own; the release does not say how long it took. The
  # transfer sets need more text than the other scales.
  'full': Scale(
    sizes=('2/128', '4/256', '4/512', '8/512', '12/768'),
    size='4/256',
    tasks=('SST-2', 'CoLA', 'STS-B'),
    pretraining={
      'max_seq_length': 512,
      'max_predictions_per_seq': 77,
      'train_batch_size': 256,
      'num_train_steps': 1_000_000,
      'num_warmup_steps': 10_000,
      'learning_rate': 1e-4,
    },
    shorter_pretraining=(10_000, 30_000, 100_000, 300_000),
    records={
      'max_seq_length': 512,
      'max_predictions_per_seq': 77,
      'dupe_factor': 10,
    },
    teacher_epochs=4,
    fine_tuning_epochs=4,
    distillation_epochs=10,
    num_films='all',
    transfer_sizes=(1_000_000, 3_000_000, 5_000_000, 8_000_000),
    transfer_steps=1_000_000,
    sweep_sizes=('2/128', '4/256', '4/512', '8/512'),
    domain_examples=1_700_000,
    eval_batch_size=256,
    device={'use_tpu': True},
  ),
}
