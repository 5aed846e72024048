"""Inference batches of examples in memory: each once, sorted by length."""

import numpy as np
import tensorflow as tf

from data.records import memory_batches


def test_a_batch_has_few_rows_if_there_are_few_examples():
  three = tf.ragged.constant([[7]] * 3, dtype=tf.int32)
  for batch_size, num_rows in ((2, 2), (8, 8), (4096, 8), (10**9, 8)):
    batches = memory_batches.batches(three, three * 0, batch_size, 24)
    assert len(next(batches)['example_index']) == num_rows


def test_examples_in_memory_are_sorted_and_padded_to_the_longest():
  ids = tf.ragged.constant([[7] * n for n in (3, 20, 9)], dtype=tf.int32)
  first, second = memory_batches.batches(ids, ids * 0, 2, 24)
  assert first['example_index'].tolist() == [0, 2]
  assert first['input_mask'].tolist() == [[1] * 3 + [0] * 6, [1] * 9]
  np.testing.assert_array_equal(first['input_ids'], first['input_mask'] * 7)
  assert second['example_index'].tolist() == [1, -1]
  assert second['input_ids'].tolist() == [[7] * 20, [0] * 20]
  assert {x.dtype for x in second.values()} == {np.dtype('i4'), np.dtype('i8')}


def test_a_tpu_gets_batches_of_few_lengths(monkeypatch):
  ids = tf.ragged.constant([[7] * n for n in (3, 20, 9)], dtype=tf.int32)
  monkeypatch.setattr(tf.config, 'list_logical_devices', lambda kind: [kind])
  assert [
    batch['segment_ids'].shape
    for batch in memory_batches.batches(ids, ids * 0, 2, 24)
  ] == [(2, 16), (2, 24)]
