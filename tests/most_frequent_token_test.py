"""The floor of a masked-LM accuracy."""

from data.records import RecordWriter, float_feature, int64_feature
from tools import most_frequent_token


def _record(ids, weights):
  import tensorflow as tf

  feature = {
    'masked_lm_ids': int64_feature(ids),
    'masked_lm_weights': float_feature(weights),
  }
  features = tf.train.Features(feature=feature)
  return tf.train.Example(features=features).SerializeToString()


def test_masked_tokens_are_counted_without_the_padding(tmp_path):
  path = str(tmp_path / 'records')
  with RecordWriter(path) as writer:
    writer.write(_record([5, 7, 0], [1, 1, 0]))
    writer.write(_record([7, 3, 7], [1, 1, 1]))
  counts = most_frequent_token.count_masked([path], None)
  assert counts.tolist() == [0, 0, 0, 1, 0, 1, 0, 3]
  counts = most_frequent_token.count_masked([path], 1)
  assert counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 1]
