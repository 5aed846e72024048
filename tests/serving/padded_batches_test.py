"""Tests for batches of token ids."""

import numpy as np
import pytest

from serving import padded_batches


def test_batches_are_padded_to_their_longest_the_shortest_first():
  ids = [[2, 5, 6, 3], [2, 3], [2, 7, 3]]
  segments = [[0, 0, 1, 1], [0, 0], [0, 0, 1]]
  first, last = padded_batches.batches(ids, segments, 2, pad_id=9)
  assert first.rows.tolist() == [1, 2]
  assert {k: v.tolist() for k, v in first.features.items()} == {
    'input_ids': [[2, 3, 9], [2, 7, 3]],
    'attention_mask': [[1, 1, 0], [1, 1, 1]],
    'token_type_ids': [[0, 0, 0], [0, 0, 1]],
  }
  assert last.rows.tolist() == [0]
  assert last.features['input_ids'].tolist() == [[2, 5, 6, 3]]
  assert {v.dtype for v in last.features.values()} == {np.dtype(np.int64)}


def test_results_come_in_the_order_of_the_inputs():
  ids = [[1, 1, 1], [1], [1, 1]]

  def count(features):
    return features['attention_mask'].sum(1, keepdims=True)

  found = padded_batches.run(count, ids, ids, 2)
  assert found.tolist() == [[3], [1], [2]]
  assert found.dtype == np.float32


def test_no_input_is_an_error():
  with pytest.raises(ValueError, match='there is no input'):
    padded_batches.run(len, [], [], 2)
