"""Features of a `tf.train.Example`."""

from data.records import proto_features


def test_values_are_stored_in_the_list_of_their_kind():
  ids = proto_features.int64_feature([300, -1])
  logits = proto_features.float_feature([0.5, -2.0])
  name = proto_features.bytes_feature(b'a')
  assert list(ids.int64_list.value) == [300, -1]
  assert list(logits.float_list.value) == [0.5, -2.0]
  assert list(name.bytes_list.value) == [b'a']
