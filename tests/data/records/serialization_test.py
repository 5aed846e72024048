"""Serialized records, against protocol buffers."""

import numpy as np
import pytest
import tensorflow as tf

from data.records import feature_spec, serialization
from data.records.feature_spec import Field


def _parse(record: bytes) -> dict[str, list]:
  example = tf.train.Example.FromString(record)
  return {
    name: list(feature.int64_list.value or feature.float_list.value)
    for name, feature in example.features.feature.items()
  }


def test_protocol_buffers_read_what_was_written():
  rng = np.random.default_rng(0)
  count = 50
  columns = {
    field.name: rng.integers(
      0, 40_000, (count, {'S': 300, 'P': 7}.get(field.length, 1))
    )
    for field in feature_spec.PRETRAINING
  }
  columns['masked_lm_weights'] = rng.random((count, 7)).astype(np.float32)
  records = serialization.serialize(columns, feature_spec.PRETRAINING).to_list()
  assert len(records) == count
  for i, record in enumerate(records):
    assert _parse(record) == {k: v[i].tolist() for k, v in columns.items()}


@pytest.mark.parametrize(
  'value', [0, 1, 127, 128, 16_383, 16_384, 2**21, 2**31 - 1, 2**62]
)
def test_integers_of_all_sizes(value):
  columns = {'a': np.array([[value, 0], [1, 1]])}
  first, second = serialization.serialize(
    columns, [Field('a', 'int64', 2)]
  ).to_list()
  assert _parse(first) == {'a': [value, 0]}
  assert _parse(second) == {'a': [1, 1]}


def test_small_dtypes():
  columns = {'a': np.array([[200], [3]], np.uint8)}
  first, second = serialization.serialize(
    columns, [Field('a', 'int64', 1)]
  ).to_list()
  assert _parse(first) == {'a': [200]}
  assert _parse(second) == {'a': [3]}


def test_bytes_are_those_of_a_protocol_buffer():
  columns = {'ids': np.array([[300, 1]])}
  (record,) = serialization.serialize(
    columns, [Field('ids', 'int64', 2)]
  ).to_list()
  example = tf.train.Example()
  example.features.feature['ids'].int64_list.value.extend([300, 1])
  assert record == example.SerializeToString()
