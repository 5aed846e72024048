"""The mean of several teachers' predictions."""

import math

import numpy as np
import pytest
import tiny_dump

from distillation import ensemble, logits_dump


@pytest.fixture
def tokenizer(tmp_path):
  return tiny_dump.make_tokenizer(tmp_path, tiny_dump.WORDS)


def test_probabilities_are_averaged():
  # softmax([0, 0]) = [.5, .5], softmax([log 9, 0]) = [.9, .1]; mean [.7, .3].
  logits = np.float32([[[0, 0]], [[math.log(9), 0]]])
  mean = ensemble.mean_logits(logits, is_regression=False)
  np.testing.assert_allclose(mean, np.log([[0.7, 0.3]]), rtol=1e-6)


def test_probabilities_are_averaged_at_the_temperature():
  # At T = 2 softmax([log 81, 0] / 2) = [.9, .1].
  logits = np.float32([[[0, 0]], [[math.log(81), 0]]])
  mean = ensemble.mean_logits(logits, False, temperature=2.0)
  exponents = np.exp(mean / 2)
  np.testing.assert_allclose(
    exponents / exponents.sum(), [[0.7, 0.3]], rtol=1e-6
  )


def test_confident_teachers_that_disagree_have_a_finite_mean():
  logits = np.float32([[[1000, 0]], [[0, 1000]]])
  mean = ensemble.mean_logits(logits, is_regression=False)
  np.testing.assert_allclose(mean, np.log([[0.5, 0.5]]), rtol=1e-6)


def test_predicted_numbers_are_averaged():
  mean = ensemble.mean_logits(np.float32([[[1.5]], [[4.5]]]), True)
  assert mean.tolist() == [[3.0]]


def test_dev_logits_are_averaged_if_all_dumps_have_them(tmp_path, tokenizer):
  dumps = [
    tiny_dump.write(tmp_path / name, tokenizer, dev_split='x')
    for name in ('a', 'b')
  ]
  assert ensemble.dev_logits(dumps, 'x', (1, 2), False) is None
  logits_dump.write_dev_logits(dumps[0].folder, np.float32([[0, 0]]))
  logits_dump.write_dev_logits(dumps[1].folder, np.float32([[math.log(9), 0]]))
  mean = ensemble.dev_logits(dumps, 'x', (1, 2), False)
  np.testing.assert_allclose(mean, np.log([[0.7, 0.3]]), rtol=1e-6)
  assert ensemble.dev_logits(dumps, 'y', (1, 2), False) is None
