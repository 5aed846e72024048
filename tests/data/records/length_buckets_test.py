"""Buckets, and the batches that are cut from them."""

import tensorflow as tf
import xla_on

from data.records import length_buckets


def test_buckets_grow_with_the_length_and_end_at_the_maximum():
  assert length_buckets.bucket_lengths(24) == (8, 16, 24)
  assert length_buckets.bucket_lengths(100) == (*range(8, 65, 8), 80, 96, 100)
  assert length_buckets.bucket_lengths(512)[-2:] == (448, 512)
  assert len(length_buckets.bucket_lengths(512)) == 20
  assert length_buckets.bucket_lengths(1024)[-5:] == (512, 640, 768, 896, 1024)


def test_where_a_length_costs_a_compilation_there_are_at_most_three():
  assert length_buckets.padded_lengths(24) == (8, 16, 24)
  with xla_on.compiled_steps():
    assert length_buckets.padded_lengths(4) == (4,)
    assert length_buckets.padded_lengths(9) == (8, 9)
    assert length_buckets.padded_lengths(24) == (8, 16, 24)
    assert length_buckets.padded_lengths(100) == (32, 56, 100)
    assert length_buckets.padded_lengths(128) == (32, 64, 128)
    assert length_buckets.padded_lengths(512) == (128, 256, 512)


def _cut(group, batch_order, padded):
  """Returns batches of two rows from the buckets 8, 16 and 24."""
  sorted_group = length_buckets.sort(group, 2, (8, 16, 24), padded)
  groups = tf.data.Dataset.from_tensors(
    (sorted_group, tf.constant(batch_order, tf.int64))
  )
  return length_buckets.batches_of(groups, batch_size=2)


def test_longer_padding_leaves_the_batches_as_they_are():
  group = {
    'input_mask': tf.sequence_mask([9, 3, 17, 8, 4, 16], 24, tf.int32),
    'label_ids': tf.range(6),
  }
  batches = _cut(group, [0, 1, 2], (10, 24))
  found = [
    (b['label_ids'].numpy().tolist(), b['input_mask'].shape[1]) for b in batches
  ]
  assert found == [([1, 3], 10), ([4, 0], 24), ([5, 2], 24)]


def test_batches_are_cut_from_buckets_and_all_are_full():
  lengths = [9, 3, 17, 8, 4, 16]
  mask = tf.sequence_mask(lengths, 24, tf.int32)
  group = {
    'input_mask': mask,
    'label_ids': tf.range(6),
    'masked_lm_positions': tf.reshape(tf.range(12), [6, 2]),
  }
  batches = _cut(group, [2, 0, 1], (8, 16, 24))
  # Buckets 8: rows 1, 3, 4; 16: rows 0, 5; 24: row 2.
  batches = list(batches)
  found = [(b['label_ids'].numpy().tolist(), b['input_mask']) for b in batches]
  positions = [b['masked_lm_positions'].numpy().tolist() for b in batches]
  assert positions[0] == [[10, 11], [4, 5]]
  assert [labels for labels, _ in found] == [[5, 2], [1, 3], [4, 0]]
  assert [mask.shape for _, mask in found] == [(2, 24), (2, 8), (2, 16)]
