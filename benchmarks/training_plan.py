"""Which jobs `training` measures, with which contestants, on CPUs and on a GPU.

Tested by `tests/benchmarks/training_plan_test.py`.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from benchmarks.training_jobs import KINDS
from modeling import configs
from system.errors import UserError

PEERS = ('hugging_face', 'tf_models')


@dataclasses.dataclass(frozen=True)
class Item:
  """A job to measure.

  Attributes:
    kind: one of `KINDS`.
    size: 'layers/hidden size'.
    batch_size: B, or texts per batch.
  """

  kind: str
  size: str
  batch_size: int


@dataclasses.dataclass(frozen=True)
class Plan:
  """Defaults that depend on the device.

  Attributes:
    jobs: items for `items`.
    sizes: the sizes of items that name none.
    precision: one of `training_jobs.PRECISIONS`.
    batch_sizes: kind → B, or 'kind size' → B, which has precedence.
    product_size: see `training_jobs.BenchmarkJob`.
    compiles_peers: whether Hugging Face also runs under `torch.compile`.
    starts_at_once: see `rounds.start`; on a machine of few cores, the
      contestants start one after another nevertheless.
    full_records: whether to leave out pre-training records that need padding.
    num_rounds: the number of rounds per job.
    round_seconds: the duration of a turn.
    job_seconds: the limit of a job; 0 for none.
    max_seconds: the limit of the command; 0 for none.
  """

  jobs: tuple[str, ...]
  sizes: tuple[str, ...]
  precision: str
  batch_sizes: Mapping[str, int]
  product_size: int
  compiles_peers: bool
  starts_at_once: bool
  full_records: bool
  num_rounds: int
  round_seconds: float
  job_seconds: float
  max_seconds: float


_BATCH_SIZES = {
  **dict.fromkeys(('pretraining', 'fine_tuning', 'distillation', 'start'), 32),
  'scoring': 64,
}
CPU = Plan(
  jobs=('pretraining', 'fine_tuning', 'distillation', 'scoring'),
  sizes=('2/128', '4/256'),
  precision='float32',
  batch_sizes=_BATCH_SIZES,
  product_size=2048,
  compiles_peers=False,
  starts_at_once=False,
  full_records=True,
  num_rounds=9,
  round_seconds=1.5,
  job_seconds=0.0,
  max_seconds=0.0,
)
# The most important jobs come first: `max_seconds` may leave out the last ones.
GPU = Plan(
  jobs=(
    *('pretraining:2/128', 'pretraining:4/256', 'pretraining:12/768'),
    *('fine_tuning:2/128', 'scoring:2/128', 'distillation:2/128'),
    *('start:2/128', 'start:12/768', 'fine_tuning:4/256', 'scoring:4/256'),
    'distillation:4/256',
  ),
  sizes=('2/128', '4/256', '12/768'),
  precision='bfloat16',
  batch_sizes=_BATCH_SIZES
  | {
    'scoring': 1024,
    'pretraining': 256,
    'pretraining 2/128': 1024,
    'pretraining 4/256': 512,
    'pretraining 4/512': 512,
    'pretraining 12/768': 128,
    'start': 128,
    'start 2/128': 512,
    'start 4/256': 512,
  },
  product_size=4096,
  compiles_peers=True,
  starts_at_once=True,
  full_records=False,
  num_rounds=5,
  round_seconds=0.6,
  job_seconds=110.0,
  max_seconds=465.0,
)


def items(
  texts: Sequence[str],
  sizes: Sequence[str],
  batch_sizes: Mapping[str, int],
) -> list[Item]:
  """Returns the jobs that texts name.

  >>> items(['scoring:2/128', 'start:4/256:8'], ['12/768'], {'scoring': 64})
  [Item(kind='scoring', size='2/128', batch_size=64), Item(kind='start', size='4/256', batch_size=8)]

  Args:
    texts: 'kind', 'kind:size' or 'kind:size:batch size'.
    sizes: the sizes for a text that names none.
    batch_sizes: see `Plan`.

  Raises:
    UserError: a text has another form, or an unknown kind or size.
  """  # noqa: E501
  found = []
  for text in texts:
    kind, *rest = text.split(':')
    if kind not in KINDS or len(rest) > 2 or not all(rest):
      raise UserError(
        f'--jobs={text}: expected {", ".join(KINDS)}, each by itself, with a '
        'size, or with a size and a batch size, such as pretraining:2/128:1024'
      )
    for size in map(configs.check_size, rest[:1] or sizes):
      default = batch_sizes.get(f'{kind} {size}') or batch_sizes.get(kind)
      found.append(Item(kind, size, _batch_size(rest, text) or default))
  return found


def _batch_size(rest: Sequence[str], text: str) -> int | None:
  if len(rest) < 2:
    return None
  if not rest[1].isdecimal() or not int(rest[1]):
    raise UserError(f'--jobs={text}: the batch size must be a positive integer')
  return int(rest[1])


@dataclasses.dataclass(frozen=True)
class Contestant:
  """A program that can do a job.

  Attributes:
    title: its name in tables.
    engine: X for the module benchmarks.engine_X.
    variant: the engine's variant.
    options: this project's settings that differ; names in upper case are
      environment variables.
  """

  title: str
  engine: str
  variant: str = ''
  options: Mapping[str, str] = dataclasses.field(default_factory=dict)


# kind → (title, variant) of Hugging Face; with `Plan.compiles_peers`, the stock
# head and eager padding, which are slow, make room for the compiled forms.
_HUGGING_FACE = {
  'pretraining': [('gathered', 'gathered'), ('stock head', 'stock')],
  'fine_tuning': [('dynamic', 'dynamic'), ('padded', 'padded')],
  'distillation': [('dynamic', 'dynamic'), ('padded', 'padded')],
  'scoring': [('sorted', 'dynamic')],
}
_COMPILED_HUGGING_FACE = {
  'pretraining': [('gathered', 'gathered'), ('compiled', 'gathered+compiled')],
  'fine_tuning': [
    ('dynamic', 'dynamic'),
    ('compiled', 'dynamic+compiled'),
    ('padded, compiled', 'padded+compiled'),
  ],
  'distillation': [
    ('dynamic', 'dynamic'),
    ('compiled', 'dynamic+compiled'),
    ('padded, compiled', 'padded+compiled'),
  ],
  'scoring': [('sorted', 'dynamic'), ('compiled', 'dynamic+compiled')],
}
_TF_MODELS = ('pretraining', 'fine_tuning')


def contestants(
  kind: str, compiles_peers: bool, peers: Sequence[str], variants: Sequence[str]
) -> list[Contestant]:
  """Returns who can do a kind of job; this project comes first.

  Args:
    kind: one of `KINDS`, but not 'start'.
    compiles_peers: see `Plan`.
    peers: names in `PEERS`.
    variants: settings of this project, 'name=value' joined by '+'; each makes
      one more contestant.

  Raises:
    UserError: a variant has another form.
  """
  found = [Contestant('this project', 'ours')]
  for variant in variants:
    parts = [part.partition('=') for part in variant.split('+')]
    if not all(name and equals for name, equals, _ in parts):
      raise UserError(f'--variants={variant}: expected name=value+name=value')
    options = {name: value for name, _, value in parts}
    found.append(Contestant(f'ours, {variant}', 'ours', options=options))
  if 'hugging_face' in peers:
    forms = _COMPILED_HUGGING_FACE if compiles_peers else _HUGGING_FACE
    found += [
      Contestant(f'Hugging Face, {title}', 'hugging_face', variant)
      for title, variant in forms[kind]
    ]
  if 'tf_models' in peers and kind in _TF_MODELS:
    found.append(Contestant('tf-models-official', 'tf_models'))
  return found
