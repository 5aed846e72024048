"""Inference batches: each example once, padded to a common length."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from data.records import inference_input


@pytest.mark.parametrize(
  ('batch_size', 'num_rows'), [(1, 1), (7, 7), (64, 64), (200, 150)]
)
def test_inference_counts_every_record_once(two_files, batch_size, num_rows):
  seen = {}
  dataset = inference_input.inference_batches(two_files, batch_size)
  for batch in dataset.as_numpy_iterator():
    assert len(batch['example_index']) == num_rows
    for index, label in zip(
      batch['example_index'], batch['label_ids'], strict=True
    ):
      assert index not in seen or index == -1
      seen[index] = label
  seen.pop(-1, None)
  assert seen == {i: i for i in range(150)}


def test_a_batch_has_few_rows_if_there_are_few_examples(two_files):
  few = inference_input.inference_batches(two_files, 10**9)
  assert [x['input_ids'].shape[0] for x in few] == [150]
  three = tf.ragged.constant([[7]] * 3, dtype=tf.int32)
  for batch_size, num_rows in ((2, 2), (8, 8), (4096, 8), (10**9, 8)):
    batches = inference_input.inference_batches_from(
      three, three * 0, batch_size, 24
    )
    assert len(next(batches)['example_index']) == num_rows


def test_max_batches_takes_the_first_records(two_files):
  dataset = inference_input.inference_batches(two_files, 10, max_batches=3)
  labels = [x['label_ids'].tolist() for x in dataset.as_numpy_iterator()]
  assert sorted(itertools.chain(*labels)) == list(range(30))


def test_examples_in_memory_are_sorted_and_padded_to_the_longest():
  ids = tf.ragged.constant([[7] * n for n in (3, 20, 9)], dtype=tf.int32)
  first, second = inference_input.inference_batches_from(ids, ids * 0, 2, 24)
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
    for batch in inference_input.inference_batches_from(ids, ids * 0, 2, 24)
  ] == [(2, 16), (2, 24)]


def test_deleting_an_iterator_does_not_wait_for_a_tuner(two_files):
  # The tuner's thread kept it waiting for up to a minute.
  batches = inference_input.inference_batches(two_files, 4)
  assert batches.options().autotune.enabled is False
