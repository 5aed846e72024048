"""The scores of one row become logits, or a reason why they cannot."""

import dataclasses
import math

import numpy as np
import pytest

from distillation import score_values
from distillation.score_columns import ScoreColumns
from distillation.score_values import BadScore

_EACH = ScoreColumns('probabilities', ('p_a', 'p_b'), ('a', 'b'))
_OBJECT = ScoreColumns('probabilities', ('all',), ('a', 'b'), is_object=True)
_LOGITS = ScoreColumns('logits', ('z_a', 'z_b'), ('a', 'b'))
_LABEL = ScoreColumns('labels', ('label',), ('a', 'b', 'c'), 'confidence')
_NUMBER = ScoreColumns('numbers', ('label',))


def _score(row, columns, bare_confidence=1.0):
  return score_values.score_of(row, columns, bare_confidence)


def _probabilities(score):
  return np.exp(score.logits.astype(np.float64))


def test_a_probability_becomes_its_logarithm():
  score = _score({'p_b': '0.75', 'p_a': '0.25'}, _EACH)
  np.testing.assert_allclose(score.logits, np.log([0.25, 0.75]), rtol=1e-6)
  assert score.logits.dtype == np.float32


def test_a_probability_of_0_is_one_in_a_million():
  score = _score({'p_a': '0', 'p_b': '1'}, _EACH)
  np.testing.assert_allclose(_probabilities(score), [1e-6, 1 - 1e-6], rtol=1e-5)


def test_rounded_probabilities_are_scaled_to_the_sum_1():
  score = _score({'p_a': '0.33', 'p_b': '0.66'}, _EACH)
  np.testing.assert_allclose(_probabilities(score), [1 / 3, 2 / 3], rtol=1e-5)
  assert score.sum_error == pytest.approx(0.01)


@pytest.mark.parametrize(
  'text',
  [
    '{"b": 0.75, "a": 0.25}',
    '[{"label": "b", "score": 0.75}, {"label": "a", "score": 0.25}]',
  ],
)
def test_labels_of_an_object_may_have_any_order(text):
  score = _score({'all': text}, _OBJECT)
  np.testing.assert_allclose(_probabilities(score), [0.25, 0.75], rtol=1e-5)


def test_a_label_of_an_object_may_be_a_number():
  columns = dataclasses.replace(_OBJECT, labels=('0', '1'))
  text = '[{"label": 1, "score": 0.75}, {"label": 0, "score": 0.25}]'
  score = _score({'all': text}, columns)
  np.testing.assert_allclose(_probabilities(score), [0.25, 0.75], rtol=1e-5)


def test_logits_stay_as_they_are():
  assert _score({'z_a': '-1.5', 'z_b': '30'}, _LOGITS).logits.tolist() == [
    -1.5,
    30.0,
  ]


def test_a_tie_may_be_rounded_to_two_decimals():
  score = _score({'label': 'a', 'confidence': '0.33'}, _LABEL)
  np.testing.assert_allclose(np.exp(score.logits), [1 / 3] * 3, rtol=1e-6)
  with pytest.raises(BadScore, match='a confidence below 1/3'):
    _score({'label': 'a', 'confidence': '0.32'}, _LABEL)


def test_other_labels_share_what_a_confidence_leaves():
  score = _score({'label': 'b', 'confidence': '0.8'}, _LABEL)
  np.testing.assert_allclose(_probabilities(score), [0.1, 0.8, 0.1], rtol=1e-5)
  assert not score.is_bare


def test_a_label_without_confidence_has_the_given_one():
  score = _score({'label': 'c', 'confidence': ' '}, _LABEL, 0.9)
  np.testing.assert_allclose(
    _probabilities(score), [0.05, 0.05, 0.9], rtol=1e-5
  )
  assert score.is_bare


def test_a_number_is_its_own_logit():
  assert _score({'label': '3.25'}, _NUMBER).logits.tolist() == [3.25]


@pytest.mark.parametrize(
  ('row', 'columns', 'kind'),
  [
    ({'p_a': '0.5', 'p_b': '0.6'}, _EACH, 'do not sum to 1'),
    ({'p_a': '0.5', 'p_b': 'nan'}, _EACH, 'not a finite number'),
    ({'p_a': '0.5', 'p_b': 'half'}, _EACH, 'not a finite number'),
    ({'p_a': '-0.5', 'p_b': '1.5'}, _EACH, 'outside of 0 to 1'),
    ({'p_a': '1'}, _EACH, 'no score'),
    ({'p_a': '1', 'p_b': ' '}, _EACH, 'no score'),
    ({'z_a': 'inf', 'z_b': '0'}, _LOGITS, 'not a finite number'),
    ({'z_a': '1e7', 'z_b': '0'}, _LOGITS, 'beyond 1,000,000'),
    ({'all': '{"a": 1}'}, _OBJECT, 'no score for a label'),
    ({'all': '{"a": 0.5, "c": 0.5}'}, _OBJECT, 'an unknown label'),
    ({'all': '{"a": NaN, "b": 1}'}, _OBJECT, 'not a finite number'),
    ({'all': '{"a": true, "b": 0}'}, _OBJECT, 'not a finite number'),
    ({'all': '[0.5, 0.5]'}, _OBJECT, 'no object of scores'),
    ({'all': '0.5'}, _OBJECT, 'no object of scores'),
    ({'all': '{'}, _OBJECT, 'no object of scores'),
    ({}, _OBJECT, 'no score'),
    (
      {'all': '[{"label": "a", "score": 1}, {"label": "a", "score": 0}]'},
      _OBJECT,
      'a label with two scores',
    ),
    ({'label': 'd'}, _LABEL, 'an unknown label'),
    ({'label': ''}, _LABEL, 'no label'),
    ({'label': 'a', 'confidence': '0.3'}, _LABEL, 'below 1/3'),
    ({'label': 'a', 'confidence': '80'}, _LABEL, 'outside of 0 to 1'),
    ({'label': 'many'}, _NUMBER, 'not a finite number'),
  ],
)
def test_what_is_wrong_with_a_row_is_named(row, columns, kind):
  with pytest.raises(BadScore, match=kind):
    _score(row, columns)


def test_the_tolerance_grows_with_the_labels_up_to_a_limit():
  even = [math.floor(100 / 3) / 100] * 3
  assert score_values.from_probabilities(even).sum_error == pytest.approx(0.01)
  with pytest.raises(BadScore, match='sum to 1: 0.94'):
    score_values.from_probabilities([0.94 / 50] * 50)
