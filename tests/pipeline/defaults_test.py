"""Chosen values: lengths, epochs and rates by size and data."""

import dataclasses
import types

import numpy as np
import pytest

from modeling import configs
from pipeline import defaults
from pipeline.models import DUMP, ENCODER, FINE_TUNED, Models, Teacher
from pipeline.options import ChoiceOptions
from pipeline.text_statistics import TextStatistics
from system.errors import UserError


def _choose(
  lengths=(10, 20, 30),
  num_train=10_000,
  num_transfer=100_000,
  student='2/128',
  teacher='12/768',
  is_pretrained=True,
  kind=ENCODER,
  limit=512,
  **given,
):
  values = np.sort(np.array(lengths))
  num = {'train': num_train, 'dev': 9, 'transfer': num_transfer}
  texts = TextStatistics(num, {'train': values, 'transfer': values}, {})
  manifest = types.SimpleNamespace(max_seq_length=48) if kind == DUMP else None
  config = configs.compact_config(teacher, 100)
  found = Models(
    Teacher(kind, 'teacher', config, [], limit, None, manifest),
    configs.compact_config(student, 100),
    None,
    [],
    True,
  )
  return defaults.choose(ChoiceOptions(**given), texts, found, is_pretrained)


@pytest.mark.parametrize(
  ('lengths', 'expected'),
  [([8], 32), ([32], 32), ([33], 64), ([100], 128), ([600], 256)],
)
def test_the_length_fits_99_percent_of_the_texts(lengths, expected):
  assert _choose(lengths).max_seq_length.value == expected


def test_the_length_is_one_that_both_models_read():
  assert _choose([200], limit=100).max_seq_length.value == 100


def test_one_long_text_among_many_is_cut():
  choice = _choose([20] * 199 + [500]).max_seq_length
  assert choice.value == 32
  assert choice.reason == '99 % of the labelled texts have at most 20 tokens'


def test_the_share_that_is_cut_is_told():
  assert _choose([20, 20, 20, 500]).max_seq_length.reason == (
    '99 % of the labelled texts have at most 500 tokens; it cuts 25.0% of '
    'them, and more would take more time and memory'
  )


def test_few_texts_get_more_epochs():
  few = _choose(num_train=320, num_transfer=1600)
  assert few.teacher_epochs.value == 15  # 150 steps of 32.
  assert few.labels_epochs.value == 50  # 500 steps.
  assert few.num_train_epochs.value == 40  # 2,000 steps.
  assert few.num_train_epochs.reason == (
    '2,000 steps; 3 epochs of 1,600 texts would be too few'
  )
  tiny = _choose(num_train=32, num_transfer=32)
  assert tiny.teacher_epochs.value == 20
  assert tiny.num_train_epochs.value == 100


def test_many_texts_get_three_epochs():
  many = _choose()
  assert many.teacher_epochs.value == many.num_train_epochs.value == 3
  assert many.labels_epochs.value == 3


@pytest.mark.parametrize(
  ('student', 'is_pretrained', 'distilled', 'on_labels'),
  [
    ('2/128', True, 1e-3, 3e-4),
    ('2/128', False, 3e-4, 3e-4),
    ('4/128', True, 3e-4, 3e-4),
    ('2/256', True, 3e-4, 3e-4),
    ('4/256', True, 3e-4, 3e-4),
    ('8/512', True, 1e-4, 1e-4),
  ],
)
def test_rates_fall_with_the_size(student, is_pretrained, distilled, on_labels):
  found = _choose(student=student, is_pretrained=is_pretrained)
  assert found.learning_rate.value == distilled
  assert found.labels_learning_rate.value == on_labels


def test_the_rate_of_the_teacher_falls_with_its_width():
  assert _choose(teacher='4/256').teacher_learning_rate.value == 1e-4
  assert _choose(teacher='12/768').teacher_learning_rate.value == 5e-5
  minilm = dataclasses.replace(
    configs.compact_config('6/256', 100), hidden_size=384
  )
  rate, _ = defaults._of_teacher(ChoiceOptions(), minilm, 10_000, 32)
  assert rate == defaults.Choice(1e-4, 'for teachers of width 384')


def test_given_values_are_taken():
  found = _choose(learning_rate=0.5, max_seq_length=77, train_batch_size=8)
  assert found.learning_rate == defaults.Choice(0.5, 'given')
  assert found.max_seq_length.value == 77
  assert found.train_batch_size.value == 8
  assert found.labels_learning_rate.value == 3e-4


def test_a_length_that_no_model_reads_is_refused():
  with pytest.raises(UserError, match='more than teacher and student can'):
    _choose(max_seq_length=513)


def test_a_dump_gives_its_length_and_its_teacher_is_not_trained():
  found = _choose(kind=DUMP)
  assert found.max_seq_length.value == 48
  assert found.teacher_epochs is None
  assert _choose(kind=DUMP, max_seq_length=48).max_seq_length.value == 48
  for length in (32, 64):
    with pytest.raises(
      UserError, match=f'={length} does not fit the dump, who'
    ):
      _choose(kind=DUMP, max_seq_length=length)


@pytest.mark.parametrize('name', ['teacher_epochs', 'teacher_learning_rate'])
def test_values_for_a_teacher_that_is_not_trained_are_refused(name):
  assert _choose(kind=FINE_TUNED).teacher_epochs is None
  with pytest.raises(
    UserError,
    match=f'`{name}`=2.0 cannot take effect: the teacher in teacher is fine-',
  ):
    _choose(kind=FINE_TUNED, **{name: 2.0})
