"""Inference batches of files: each record once, padded to a common length."""

import itertools

import pytest

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


def test_max_batches_takes_the_first_records(two_files):
  dataset = inference_input.inference_batches(two_files, 10, max_batches=3)
  labels = [x['label_ids'].tolist() for x in dataset.as_numpy_iterator()]
  assert sorted(itertools.chain(*labels)) == list(range(30))


def test_deleting_an_iterator_does_not_wait_for_a_tuner(two_files):
  # The tuner's thread kept it waiting for up to a minute.
  batches = inference_input.inference_batches(two_files, 4)
  assert batches.options().autotune.enabled is False
