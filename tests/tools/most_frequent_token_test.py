"""The floor of masked-LM accuracies."""

import pytest

from data.records.proto_features import float_feature, int64_feature
from data.records.record_writer import RecordWriter
from system.errors import UserError
from tools import most_frequent_token


def _record(ids, weights):
  import tensorflow as tf

  feature = {
    'masked_lm_ids': int64_feature(ids),
    'masked_lm_weights': float_feature(weights),
  }
  features = tf.train.Features(feature=feature)
  return tf.train.Example(features=features).SerializeToString()


def test_masked_tokens_are_counted_without_padding(tmp_path):
  path = str(tmp_path / 'records')
  with RecordWriter(path) as writer:
    writer.write(_record([5, 7, 0], [1, 1, 0]))
    writer.write(_record([7, 3, 7], [1, 1, 1]))
  counts = most_frequent_token.count_masked([path], None, 9)
  assert counts.tolist() == [0, 0, 0, 1, 0, 1, 0, 3, 0]
  counts = most_frequent_token.count_masked([path, path], 1, 8)
  assert counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 1]
  counts = most_frequent_token.count_masked([path, path], 3, 8)
  assert counts.tolist() == [0, 0, 0, 1, 0, 2, 0, 4]
  with pytest.raises(UserError, match='ids from 3 to 7, expected 0 to 6'):
    most_frequent_token.count_masked([path], None, 7)


@pytest.mark.parametrize(
  ('records', 'message'),
  [
    (None, 'text is damaged or cut short: record 0'),
    ([b'no example'], 'text holds no pre-training records'),
    ([_record([], [])], 'no token is masked'),
    ([_record([7, 7], [1])], 'text holds no pre-training records'),
  ],
)
def test_files_without_pretraining_records_are_named(
  tmp_path, records, message
):
  path = tmp_path / 'text'
  path.write_text('The film was good.\n' * 9)
  if records is not None:
    with RecordWriter(str(path)) as writer:
      for record in records:
        writer.write(record)
  with pytest.raises(UserError, match=message):
    most_frequent_token.count_masked([str(path)], None, 9)
