"""The statistics of a log interval, with bad steps, by hand."""

import math

import pytest
import tensorflow as tf

from training.step_statistics import StepStatistics, UnitLossScale


def _add(statistics, step, **values):
  statistics.add(
    {name: tf.constant(value) for name, value in values.items()},
    tf.constant(step, tf.int64),
  )


def test_means_are_those_of_the_good_steps():
  statistics = StepStatistics(budget=2)
  for step, loss in ((1, 1.0), (2, math.nan), (3, 4.0)):
    _add(statistics, step, loss=loss)
  assert statistics.collect() == [2]
  assert statistics.bad_steps == [2]
  assert statistics.means(3) == {'loss': 2.5}
  statistics.begin(3)
  _add(statistics, 4, loss=7.0)
  assert statistics.collect() == []
  assert statistics.means(4) == {'loss': 7.0}


def test_a_bad_step_before_the_interval_is_not_one_of_its_steps():
  statistics = StepStatistics(budget=2)
  _add(statistics, 1, loss=1.0)
  _add(statistics, 2, loss=math.nan)
  statistics.collect()
  statistics.begin(2)
  _add(statistics, 3, loss=4.0)
  _add(statistics, 4, loss=8.0)
  statistics.collect()
  assert statistics.means(4) == {'loss': 6.0}


def test_an_interval_of_bad_steps_has_means_of_zero():
  statistics = StepStatistics(budget=2)
  _add(statistics, 1, loss=math.nan)
  statistics.collect()
  assert statistics.means(1) == {'loss': 0.0}


def test_a_unit_loss_scale_is_1_and_counts_skipped_steps():
  scale = UnitLossScale()
  assert scale.value == 1.0
  for is_finite in (True, False, False):
    scale.update(tf.constant(is_finite))
  assert int(scale.skipped_steps) == 2


def test_skipped_steps_are_a_mean_over_all_steps():
  statistics = StepStatistics(budget=1)
  _add(statistics, 1, loss=math.inf, skipped_steps=1.0)
  _add(statistics, 2, loss=3.0, skipped_steps=0.0)
  statistics.collect()
  assert statistics.means(2) == {'loss': 3.0, 'skipped_steps': 0.5}


def test_a_skipped_step_has_no_gradient_norm():
  statistics = StepStatistics()
  for step, norm in ((1, 2.0), (2, 0.0), (3, 4.0)):
    skipped = float(norm == 0.0)
    _add(statistics, step, loss=3.0, gradient_norm=norm, skipped_steps=skipped)
  statistics.collect()
  means = statistics.means(3)
  assert (means['loss'], means['gradient_norm']) == (3.0, 3.0)
  assert means['skipped_steps'] == pytest.approx(1 / 3)


def test_a_resumed_interval_continues():
  stopped = StepStatistics(budget=2)
  _add(stopped, 1, loss=1.0)
  _add(stopped, 2, loss=math.nan)
  stopped.collect()
  resumed = StepStatistics(budget=2)
  resumed.restore(stopped.to_json())
  assert int(resumed.unit_scale.skipped_steps) == 1
  _add(resumed, 3, loss=4.0)
  assert resumed.collect() == []
  assert resumed.means(3) == {'loss': 2.5}


@pytest.mark.parametrize('budgets', [(0, 1), (1, 0)])
def test_a_resumed_interval_may_count_skipped_steps_or_not(budgets):
  values = {'loss': 1.0, 'soft_loss': 2.0, 'gradient_norm': 4.0}
  states = []
  for budget, factor in zip(budgets, (1.0, 3.0), strict=True):
    statistics = StepStatistics(budget)
    for state in states:
      statistics.restore(state)
    more = {'skipped_steps': 0.0} if budget else {}
    step = {name: factor * x for name, x in values.items()}
    _add(statistics, 1, **step, **more)
    statistics.collect()
    assert list(statistics.sums) == [*values, *more]
    states.append(statistics.to_json())
  means = statistics.means(2)
  means.pop('skipped_steps', None)
  assert means == {'loss': 2.0, 'soft_loss': 4.0, 'gradient_norm': 8.0}


def test_one_bad_step_more_than_the_budget_is_seen():
  statistics = StepStatistics()
  _add(statistics, 1, loss=1.0)
  assert statistics.collect() == []
  _add(statistics, 2, loss=math.nan)
  _add(statistics, 3, loss=math.nan)
  assert statistics.collect() == [2]


def test_the_variables_are_not_trainable():
  statistics = StepStatistics(budget=1)
  _add(statistics, 1, loss=1.0)
  variables = (
    statistics._sums,
    statistics._bad,
    statistics.unit_scale.skipped_steps,
  )
  assert not any(variable.trainable for variable in variables)


def test_text_that_is_not_restored_is_shown_up_to_40_characters():
  with pytest.raises(ValueError) as error:
    StepStatistics().restore('["' + 'x' * 60 + '"]')
  shown = '["' + 'x' * 38
  assert str(error.value).startswith(f"'{shown}' is not the state")


@pytest.mark.parametrize('text', ['[]', '{"start": 1}', '{"start": "x"}'])
def test_other_text_is_not_restored(text):
  with pytest.raises(ValueError):
    StepStatistics().restore(text)
