"""Tests for what an export is made of: the head, the labels, the vocabulary."""

import numpy as np
import pytest

from serving.exports import heads, parts
from system.errors import UserError


@pytest.fixture
def folder(teacher_world):
  return str(teacher_world / 'teacher')


def test_a_classifier_has_its_labels_casing_and_longest_input(folder):
  model = parts.read(folder)
  assert (model.head, model.labels) == (heads.TASK, ('0', '1'))
  assert (model.takes_pairs, model.is_regression) == (False, False)
  assert (model.max_seq_length, model.task_name) == (16, 'SST-2')
  assert model.tokenizer.do_lower_case
  assert model.left_out == ()
  assert model.weights['output_weights'].shape == (2, 8)


def test_the_encoder_of_a_classifier_leaves_the_head_out(folder):
  whole, encoder = parts.read(folder), parts.read(folder, heads.NONE)
  assert encoder.left_out == ('output_bias', 'output_weights')
  assert encoder.labels == () and encoder.takes_pairs is None
  assert whole.weights.keys() - encoder.weights.keys() == {*encoder.left_out}
  for name, value in encoder.weights.items():
    np.testing.assert_array_equal(value, whole.weights[name])


def test_a_head_that_the_checkpoint_lacks_is_named(folder):
  message = r'no head of the kind `head`=pretraining \(cls/.*has task, none'
  with pytest.raises(UserError, match=message):
    parts.read(folder, heads.PRETRAINING)


def test_a_missing_vocabulary_is_named(teacher_world, folder):
  (teacher_world / 'teacher' / 'vocab.txt').unlink()
  with pytest.raises(UserError, match=r'there is no .*vocab\.txt'):
    parts.read(folder)
