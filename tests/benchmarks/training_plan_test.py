"""Which jobs and contestants `benchmarks/training.py` takes."""

import dataclasses

import pytest

from benchmarks import training_plan
from benchmarks.training_plan import CPU, GPU, Item
from system.errors import UserError


def _items(plan, *texts, sizes=('2/128', '4/256')):
  return training_plan.items(texts, sizes, plan.batch_sizes)


def test_a_job_without_a_size_is_measured_with_each_size():
  assert _items(CPU, 'scoring', 'pretraining:base') == [
    Item('scoring', '2/128', 64),
    Item('scoring', '4/256', 64),
    Item('pretraining', '12/768', 32),
  ]


def test_on_a_gpu_the_batch_depends_on_the_size():
  found = _items(GPU, 'pretraining', 'pretraining:8/512', 'pretraining:2/128:8')
  assert [item.batch_size for item in found] == [1024, 512, 256, 8]
  assert _items(GPU, 'fine_tuning:12/768')[0].batch_size == 32


def test_the_jobs_of_the_plans_are_legal():
  for plan in (CPU, GPU):
    assert _items(plan, *plan.jobs)


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('nothing', '--jobs=nothing: expected pretraining, fine_tuning'),
    ('scoring:2/128:1:2', '--jobs=scoring:2/128:1:2: expected'),
    ('scoring:', '--jobs=scoring:: expected'),
    ('scoring:2/100', '2/100'),
    ('scoring:2/128:0', 'batch size must be a positive integer'),
    ('scoring:2/128:x', 'batch size must be a positive integer'),
  ],
)
def test_other_jobs_are_refused(text, message):
  with pytest.raises(UserError, match=message):
    _items(CPU, text)


def _titles(kind, plan, peers=training_plan.PEERS, variants=()):
  found = training_plan.contestants(kind, plan.compiles_peers, peers, variants)
  return [contestant.title for contestant in found]


def test_on_a_gpu_the_peer_is_also_compiled():
  assert _titles('pretraining', GPU) == [
    'this project',
    'Hugging Face, gathered',
    'Hugging Face, compiled',
    'tf-models-official',
  ]
  assert _titles('scoring', CPU) == ['this project', 'Hugging Face, sorted']


def test_variants_of_this_project_are_contestants():
  variants = ['jit_compile=false', 'dropout_rate=0+XLA_FLAGS=--a=b']
  found = training_plan.contestants('scoring', True, [], variants)
  assert [dataclasses.astuple(contestant) for contestant in found] == [
    ('this project', 'ours', '', {}),
    ('ours, jit_compile=false', 'ours', '', {'jit_compile': 'false'}),
    (
      'ours, dropout_rate=0+XLA_FLAGS=--a=b',
      'ours',
      '',
      {'dropout_rate': '0', 'XLA_FLAGS': '--a=b'},
    ),
  ]
  with pytest.raises(UserError, match='--variants=x: expected name=value'):
    training_plan.contestants('scoring', True, [], ['x'])
