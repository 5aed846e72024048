"""Predictions and scores from logits, against values worked out by hand."""

import math

import numpy as np
import pytest

from data.tasks import glue
from data.tasks.examples import Example
from training import scoring

SST2, STSB = glue.get_task('SST-2'), glue.get_task('STS-B')
LN3 = math.log(3)


def _examples(*labels):
  return [Example('0', 'a', None, label) for label in labels]


def test_classes_have_accuracy_and_cross_entropy():
  # The probabilities of the labels are 1/2, 1/4 and 3/4.
  logits = np.float32([[0, 0], [LN3, 0], [0, LN3]])
  assert scoring.decide(SST2, logits).tolist() == [0, 0, 1]
  loss = (math.log(2) + math.log(4) + math.log(4 / 3)) / 3
  assert scoring.score(SST2, _examples('0', '1', '1'), logits) == {
    'eval_accuracy': pytest.approx(2 / 3),
    'eval_loss': pytest.approx(loss, rel=1e-6),
    'loss': pytest.approx(loss, rel=1e-6),
  }


def test_numbers_have_correlations_and_squared_error():
  logits = np.float32([[2], [3]])
  assert scoring.decide(STSB, logits).tolist() == [2.0, 3.0]
  assert scoring.score(STSB, _examples('1', '3'), logits) == {
    'eval_pearson': pytest.approx(1.0),
    'eval_spearman': pytest.approx(1.0),
    'eval_loss': 0.5,
    'loss': 0.5,
  }


def test_chance_is_the_best_constant_prediction():
  assert scoring.chance_score(SST2, _examples('0', '1', '1')) == 2 / 3
  assert scoring.chance_score(STSB, _examples('1', '3')) == 0.0
