"""Tests for the comparison of two models' predictions."""

import math

import pytest

from serving import comparison
from serving.comparison import Comparison
from serving.model import Model, Prediction
from system.errors import UserError


class _Fake(Model):
  """A model that is never run."""

  def _logits(self, texts, are_pairs, batch_size):
    raise NotImplementedError


def _label(p):
  return Prediction('a' if p > 0.5 else 'b', {'a': p, 'b': 1 - p})


def _number(value):
  return Prediction(None, {}, value)


def test_labels_are_counted_and_differences_found():
  found = Comparison()
  assert found.add([_label(0.75), _label(0.625)], [_label(0.5), _label(0.75)])
  assert found == Comparison(2, 1, 0.25)
  # The order of the labels does not matter.
  turned = Prediction('b', {'b': 0.625, 'a': 0.375})
  assert found.add([_label(0.75)], [turned]) == [0]
  assert found.add([], []) == []
  assert found == Comparison(3, 1, 0.375)


def test_numbers_are_equal_up_to_the_tolerance():
  found = Comparison(are_numbers=True)
  first = [_number(x) for x in (0.5, 0.5, 3000.0)]
  second = [_number(x) for x in (0.50009, 0.5002, 3000.25)]
  assert found.add(first, second) == [1]
  assert (found.num_texts, found.num_equal) == (3, 2)
  assert found.largest_difference == 0.25


def test_nan_differs():
  found = Comparison(are_numbers=True)
  assert found.add([_number(math.nan)], [_number(math.nan)]) == [0]
  assert found.add([_number(1.0)], [_number(1.0)]) == []
  assert found.largest_difference == math.inf


def test_models_of_other_labels_or_inputs_cannot_be_compared():
  labels = _Fake(('a', 'b'), False, 8)
  assert Comparison.of(labels, _Fake(('b', 'a'), None, 8)) == Comparison()
  assert Comparison.of(_Fake((), None, 8), _Fake((), None, 8)).are_numbers
  with pytest.raises(UserError, match='predicts a, b, the second a number'):
    Comparison.of(labels, _Fake((), False, 8))
  with pytest.raises(UserError, match='one takes pairs'):
    Comparison.of(labels, _Fake(('a', 'b'), True, 8))


def test_one_model_that_records_its_inputs_decides():
  known, unknown = _Fake((), True, 8), _Fake((), None, 8)
  assert comparison.take_pairs(unknown, known) is True
  assert comparison.take_pairs(unknown, unknown) is None
