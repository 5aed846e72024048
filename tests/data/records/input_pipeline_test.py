"""The order of examples and the cutting of batches."""

import itertools
import os
import pathlib
import time

import numpy as np
import pytest
import tensorflow as tf

from data.records import feature_spec, input_pipeline, tfrecords
from data.records.record_source import RecordSource
from data.records.serialization import serialize
from data.records.training_order import TrainingOrder
from system import files
from system.errors import UserError

_S = 24
_FIELDS = feature_spec.CLASSIFIER


def _write(path, lengths, first=0):
  """Writes a record for each length; label_ids number them from `first`."""
  position = np.arange(_S)
  lengths = np.asarray(lengths)
  mask = (position < lengths[:, np.newaxis]).astype(np.int64)
  numbers = first + np.arange(len(lengths))[:, np.newaxis]
  columns = {
    'input_ids': mask * 7,
    'input_mask': mask,
    'segment_ids': mask * 0,
    'label_ids': numbers,
    'is_real_example': np.ones_like(numbers),
  }
  with tfrecords.RecordWriter(str(path)) as writer:
    for record in serialize(columns, _FIELDS).to_list():
      writer.write(record)
  return str(path)


def _source(*paths, max_seq_length=_S, vocab_size=10):
  dims = {'S': max_seq_length, 'C': 150}
  return RecordSource(paths, _FIELDS, dims, vocab_size)


def _order(source, batch_size, seed=1):
  indexes = [tfrecords.load_index(path) for path in source.paths]
  return TrainingOrder(indexes, batch_size, seed)


def _labels(source, order, start_step, num_steps, num_replicas=1):
  dataset = input_pipeline.training_batches(
    source, order, start_step, num_replicas
  )
  return [
    batch['label_ids'].tolist()
    for batch in dataset.take(num_steps * num_replicas).as_numpy_iterator()
  ]


@pytest.fixture
def two_files(tmp_path):
  rng = np.random.default_rng(0)
  lengths = rng.integers(3, _S + 1, 150)
  return _source(
    _write(tmp_path / 'a', lengths[:90]),
    _write(tmp_path / 'b', lengths[90:], 90),
  )


def test_buckets_grow_with_the_length_and_end_at_the_maximum():
  assert input_pipeline.bucket_lengths(24) == (8, 16, 24)
  assert input_pipeline.bucket_lengths(100) == (*range(8, 65, 8), 80, 96, 100)
  assert input_pipeline.bucket_lengths(512)[-2:] == (448, 512)
  assert len(input_pipeline.bucket_lengths(512)) == 20
  assert input_pipeline.bucket_lengths(1024)[-5:] == (512, 640, 768, 896, 1024)


def test_an_epoch_holds_every_record_once(two_files):
  order = _order(two_files, batch_size=10)
  for epoch in range(2):
    seen = _labels(two_files, order, epoch * 15, 15)
    assert sorted(itertools.chain(*seen)) == list(range(150))


def test_epochs_and_seeds_differ_in_their_order(two_files):
  order = _order(two_files, batch_size=10)
  first = _labels(two_files, order, 0, 15)
  assert first != _labels(two_files, order, 15, 15)
  assert first != _labels(two_files, _order(two_files, 10, seed=2), 0, 15)
  assert first == _labels(two_files, _order(two_files, 10), 0, 15)


def test_records_that_fill_no_batch_come_in_the_next_epoch(two_files):
  # An epoch is 9 batches of 16, a group, and 6 records; 25 groups, 24 epochs.
  order = _order(two_files, batch_size=16)
  seen = list(itertools.chain(*_labels(two_files, order, 0, 225)))
  assert np.bincount(seen).tolist() == [24] * 150


def test_a_data_set_smaller_than_a_batch_repeats(tmp_path):
  source = _source(_write(tmp_path / 'a', [3, 4, 5]))
  (batch,) = _labels(source, _order(source, batch_size=6), 0, 1)
  assert sorted(batch) == [0, 0, 1, 1, 2, 2]


def test_any_step_is_reached_without_those_before_it(two_files):
  order = _order(two_files, batch_size=4)
  whole = _labels(two_files, order, 0, 90)
  for step in (1, 36, 37, 38, 74, 80):
    assert _labels(two_files, order, step, 3) == whole[step : step + 3]


def test_replicas_cut_their_rows_from_the_same_global_batch(two_files):
  order = _order(two_files, batch_size=12)
  whole = _labels(two_files, order, 5, 4)
  parts = _labels(two_files, order, 5, 4, num_replicas=3)
  assert [len(part) for part in parts] == [4] * 12
  joined = [sum(parts[i : i + 3], []) for i in range(0, 12, 3)]
  assert joined == whole


def test_a_worker_feeds_its_own_replicas_alone(two_files):
  order = _order(two_files, batch_size=12)
  parts = _labels(two_files, order, 5, 2, num_replicas=4)
  own = input_pipeline.training_batches(two_files, order, 5, 4, range(2, 4))
  found = [b['label_ids'].tolist() for b in own.take(4).as_numpy_iterator()]
  assert found == [parts[2], parts[3], parts[6], parts[7]]
  assert own.cardinality() == tf.data.INFINITE_CARDINALITY


def test_replicas_know_where_their_rows_begin_and_the_global_denominator(
  two_files,
):
  dataset = input_pipeline.training_batches(
    two_files, _order(two_files, batch_size=12), 0, 3
  )
  parts = list(dataset.take(3).as_numpy_iterator())
  assert [part['first_example'] for part in parts] == [0, 4, 8]
  assert [part['example_denominator'] for part in parts] == [12.0] * 3


def test_a_batch_that_replicas_cannot_share_is_refused(two_files):
  with pytest.raises(UserError, match='train_batch_size=10.* 3 equal parts'):
    input_pipeline.training_batches(two_files, _order(two_files, 10), 0, 3)


def test_batches_are_padded_to_their_own_bucket(two_files):
  order = _order(two_files, batch_size=10)
  dataset = input_pipeline.training_batches(two_files, order, 0)
  widths = []
  for batch in dataset.take(15).as_numpy_iterator():
    longest = batch['input_mask'].sum(axis=1).max()
    widths.append(batch['input_ids'].shape[1])
    assert widths[-1] - 8 < longest <= widths[-1]
    np.testing.assert_array_equal(batch['input_ids'], batch['input_mask'] * 7)
  assert set(widths) == {8, 16, 24}


@pytest.mark.parametrize('batch_size', [1, 7, 64, 200])
def test_inference_counts_every_record_once(two_files, batch_size):
  seen = {}
  dataset = input_pipeline.inference_batches(two_files, batch_size)
  for batch in dataset.as_numpy_iterator():
    assert len(batch['example_index']) == batch_size
    for index, label in zip(
      batch['example_index'], batch['label_ids'], strict=True
    ):
      assert index not in seen or index == -1
      seen[index] = label
  seen.pop(-1, None)
  assert seen == {i: i for i in range(150)}


def test_inference_takes_the_first_records_when_told_how_many(two_files):
  dataset = input_pipeline.inference_batches(two_files, 10, max_batches=3)
  labels = [x['label_ids'].tolist() for x in dataset.as_numpy_iterator()]
  assert sorted(itertools.chain(*labels)) == list(range(30))


def test_examples_in_memory_are_sorted_and_padded_to_the_longest():
  ids = tf.ragged.constant([[7] * n for n in (3, 20, 9)], dtype=tf.int32)
  first, second = input_pipeline.inference_batches_from(ids, ids * 0, 2, _S)
  assert first['example_index'].tolist() == [0, 2]
  assert first['input_mask'].tolist() == [[1] * 3 + [0] * 6, [1] * 9]
  np.testing.assert_array_equal(first['input_ids'], first['input_mask'] * 7)
  assert second['example_index'].tolist() == [1, -1]
  assert second['input_ids'].tolist() == [[7] * 20, [0] * 20]
  assert {x.dtype for x in second.values()} == {np.dtype('i4'), np.dtype('i8')}


def test_a_tpu_computes_batches_of_few_lengths(monkeypatch):
  ids = tf.ragged.constant([[7] * n for n in (3, 20, 9)], dtype=tf.int32)
  monkeypatch.setattr(tf.config, 'list_logical_devices', lambda kind: [kind])
  assert [
    batch['segment_ids'].shape
    for batch in input_pipeline.inference_batches_from(ids, ids * 0, 2, _S)
  ] == [(2, 16), (2, 24)]


def test_a_record_of_another_length_is_named(two_files):
  source = _source(*two_files.paths, max_seq_length=32)
  with pytest.raises(
    UserError, match='a, record 0: input_ids has 24 values, expected 32 .*'
  ):
    source.check()


def test_a_missing_field_is_named(two_files):
  fields = (*_FIELDS, feature_spec.Field('teacher_logits', 'float32', 2))
  source = RecordSource(two_files.paths, fields, {'S': _S, 'C': 150}, 10)
  with pytest.raises(UserError, match="no field 'teacher_logits'.* label_ids"):
    source.check()


# A field of each kind, a value that does not fit, and what is said.
_DUMP_FIELDS = (*feature_spec.LOGITS_DUMP[:2], feature_spec.LOGITS_DUMP_LABEL)
_PRETRAINING, _CLASSIFIER = feature_spec.PRETRAINING, feature_spec.CLASSIFIER
_MISFITS = [
  (_PRETRAINING, 'input_ids', 10, '10, expected 0 to 9, the vocabulary has 10'),
  (_PRETRAINING, 'input_ids', -1, '-1, expected 0 to 9, the vocabulary has 10'),
  (_PRETRAINING, 'input_mask', 2, '2, expected 0 to 1$'),
  (
    _PRETRAINING,
    'segment_ids',
    2,
    '2, expected 0 to 1, .*type_vocab_size',
  ),
  (_PRETRAINING, 'segment_ids', -1, '-1, expected 0 to 1, the model'),
  (_PRETRAINING, 'masked_lm_positions', 4, '4, expected 0 to 3, --max_seq_len'),
  (_PRETRAINING, 'masked_lm_ids', 10, '10, expected 0 to 9, the vocabulary'),
  (_PRETRAINING, 'next_sentence_labels', 2, '2, expected 0 to 1$'),
  (_PRETRAINING, 'next_sentence_labels', -1, '-1, expected 0 to 1$'),
  (_CLASSIFIER, 'label_ids', 3, '3, expected 0 to 2, the task has 3 labels'),
  (_CLASSIFIER, 'label_ids', -1, '-1, expected 0 to 2, the task has 3 labels'),
  (_CLASSIFIER, 'is_real_example', 2, '2, expected 0 to 1$'),
  (_DUMP_FIELDS, 'input_ids', 10, '10, expected 0 to 9, the vocabulary has 10'),
  (_DUMP_FIELDS, 'label_ids', -2, '-2, expected -1 to 2, the task has 3 label'),
]


def _fields_source(path, fields, **changes):
  """Writes three records, of which the last has some fields changed."""
  dims = {'S': 4, 'P': 2, 'C': 3}
  zeros = {
    field.name: [0] * dims.get(field.length, field.length or 3)
    for field in fields
  }
  with tfrecords.RecordWriter(str(path)) as writer:
    for values in (zeros, zeros, {**zeros, **changes}):
      feature = {
        field.name: tfrecords.int64_feature(values[field.name])
        if field.dtype == 'int64'
        else tfrecords.float_feature(values[field.name])
        for field in fields
      }
      example = tf.train.Example(features=tf.train.Features(feature=feature))
      writer.write(example.SerializeToString())
  return RecordSource((str(path),), fields, dims, 10)


def _meet(source):
  """Reads a source as a run does that has looked at first records only."""
  source.check()
  with source.explained():
    source.parse([*tfrecords.read(source.paths[0])])


@pytest.mark.parametrize(('fields', 'name', 'value', 'message'), _MISFITS)
def test_a_value_out_of_its_range_is_named(
  tmp_path, fields, name, value, message
):
  length = {'masked_lm_positions': 2, 'masked_lm_ids': 2}.get(name, 4)
  if 'labels' in name or name in ('label_ids', 'is_real_example'):
    length = 1
  values = [0] * (length - 1) + [value]
  source = _fields_source(tmp_path / 'a', fields, **{name: values})
  with pytest.raises(UserError, match=f'a, record 2: {name} holds {message}'):
    _meet(source)


@pytest.mark.parametrize('length', [0, 5])
@pytest.mark.parametrize('name', ['input_ids', 'segment_ids'])
def test_an_unpadded_field_of_a_wrong_length_is_named(tmp_path, name, length):
  changes = {name: [0] * length}
  source = _fields_source(tmp_path / 'a', _DUMP_FIELDS, **changes)
  with pytest.raises(
    UserError,
    match=f'record 2: {name} has {length} values, expected 1 to 4 .--max_seq',
  ):
    _meet(source)


def test_no_label_in_a_dump_and_any_number_are_in_range(tmp_path):
  source = _fields_source(tmp_path / 'a', _DUMP_FIELDS, label_ids=[-1])
  _meet(source)
  fields = (*_DUMP_FIELDS[:2], feature_spec.LOGITS_DUMP_NUMBER)
  _meet(_fields_source(tmp_path / 'b', fields, label_ids=[-7.5]))


def test_a_damaged_record_is_named_when_a_run_meets_it(two_files):
  path = two_files.paths[1]
  with open(path, 'r+b') as file:
    file.seek(-30, 2)
    file.write(b'\xff\xff')
  order = _order(two_files, 10)
  with (
    pytest.raises(UserError, match='b is damaged .*record 59'),
    two_files.explained(),
  ):
    _labels(two_files, order, 0, 15)


def test_a_file_that_is_gone_or_was_cut_at_a_record_is_named(two_files):
  order = _order(two_files, 10)
  indexes = [tfrecords.load_index(path) for path in two_files.paths]
  path = two_files.paths[1]
  with open(path, 'r+b') as file:
    file.truncate(tfrecords.scan(path, window=1).offsets[20])
  with (
    pytest.raises(UserError, match='b has changed .* 20 records, .* has 60'),
    two_files.explained(indexes),
  ):
    _labels(two_files, order, 0, 15)
  os.remove(path)
  with (
    pytest.raises(UserError, match="a file of records: .* no file '.*/b'"),
    two_files.explained(indexes),
  ):
    _labels(two_files, order, 0, 15)


def test_the_records_of_a_batch_are_told(two_files):
  # Crosses an epoch of 150 records and a group of 15 batches.
  order = _order(two_files, 10)
  batches = input_pipeline.TrainingBatches(two_files, order)
  for step in (14, 40):
    (expected,) = _labels(two_files, order, step, 1)
    found = input_pipeline.records_of_batch(two_files, order, step)
    numbers = [n + 90 * (path == two_files.paths[1]) for path, n in found]
    assert numbers == expected
  text = batches.describe(40)
  for path, first in zip(two_files.paths, (0, 90), strict=True):
    own = sorted(n - first for n in expected if 0 <= n - first < 90)
    assert (
      f'{path}, records (counted from 0) {", ".join(map(str, own))}' in text
    )


def _sparse_dump(folder, order_of):
  """Makes a file of 10 million records, of which one group is there.

  Args:
    folder: where to.
    order_of: an index → the group that is wanted.
  """
  path = _write(folder / 'one', [9])
  framed = pathlib.Path(path).read_bytes()
  count = 10_000_000
  offsets = np.arange(0, count, tfrecords.WINDOW, dtype=np.int64) * len(framed)
  path = str(folder / 'dump')
  index = tfrecords.Index(path, count, tfrecords.WINDOW, offsets)
  group = order_of(index)
  with open(path, 'wb') as file:
    for offset, size in zip(group.offsets, group.counts, strict=True):
      file.seek(offset)
      file.write(framed * size)
    file.truncate(count * len(framed))
  return index


def test_any_step_of_ten_million_records_is_reached_in_seconds(tmp_path):
  step = 3 * 10_000_000 // 32 - 2000  # Late in the third epoch.

  def group_of(index):
    order = TrainingOrder([index], 32, 1)
    return order.group(order.locate(step)[0])

  index = _sparse_dump(tmp_path, group_of)
  content = {'bytes': os.path.getsize(index.path), 'window': index.window}
  content |= {'num_records': index.num_records}
  content |= {'offsets': index.offsets.tolist()}
  files.write_json(tfrecords.index_path(index.path), content)
  started = time.monotonic()
  (labels,) = _labels(
    _source(index.path), _order(_source(index.path), 32), step, 1
  )
  assert time.monotonic() - started < 20
  assert labels == [0] * 32


@pytest.mark.parametrize(
  'fields',
  [
    feature_spec.PRETRAINING,
    feature_spec.CLASSIFIER,
    (*feature_spec.LOGITS_DUMP, feature_spec.LOGITS_DUMP_NUMBER),
  ],
)
def test_the_signature_is_that_of_the_longest_bucket_s_batches(fields):
  source = RecordSource(('none',), fields, {'S': _S, 'P': 3, 'C': 1}, 10)
  index = tfrecords.Index('none', 8, 64, np.zeros([1], np.int64))
  batches = input_pipeline.training_batches(
    source, TrainingOrder([index], 4, seed=1), 0, num_replicas=2
  )
  signature = input_pipeline.training_signature(fields, source.dims, rows=2)
  assert signature.keys() == batches.element_spec.keys()
  for name, spec in batches.element_spec.items():
    assert signature[name].is_compatible_with(spec), name
    assert signature[name].shape.is_fully_defined()
    assert signature[name].shape.rank == spec.shape.rank
