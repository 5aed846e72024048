"""Records that do not fit their fields, and files that changed in a run."""

import os

import pytest
import tensorflow as tf
import tiny_records

from data.records import (
  feature_spec,
  proto_features,
  record_index,
  record_reader,
)
from data.records.inference_input import inference_batches
from data.records.record_source import RecordSource
from data.records.record_writer import RecordWriter
from data.records.training_input import training_batches
from system.errors import UserError

# A field of each kind, a value that does not fit, and the message.
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
  (_PRETRAINING, 'masked_lm_positions', 4, '4, expected 0 to 3, `max_seq_len'),
  (_PRETRAINING, 'masked_lm_ids', 10, '10, expected 0 to 9, the vocabulary'),
  (_PRETRAINING, 'next_sentence_labels', 2, '2, expected 0 to 1$'),
  (_PRETRAINING, 'next_sentence_labels', -1, '-1, expected 0 to 1$'),
  (_CLASSIFIER, 'label_ids', 3, '3, expected 0 to 2, the task has 3 labels'),
  (_CLASSIFIER, 'label_ids', -1, '-1, expected 0 to 2, the task has 3 labels'),
  (_CLASSIFIER, 'is_real_example', 2, '2, expected 0 to 1$'),
  (_DUMP_FIELDS, 'input_ids', 10, '10, expected 0 to 9, the vocabulary has 10'),
  (_DUMP_FIELDS, 'label_ids', -2, '-2, expected -1 to 2, the task has 3 label'),
]


def test_a_record_of_another_length_is_named(two_files):
  source = tiny_records.source(*two_files.paths, max_seq_length=32)
  with pytest.raises(
    UserError, match='a, record 0: input_ids has 24 values, expected 32 .*'
  ):
    source.check()


def test_a_missing_field_is_named(two_files):
  fields = (
    *feature_spec.CLASSIFIER,
    feature_spec.Field('teacher_logits', 'float32', 2),
  )
  source = RecordSource(two_files.paths, fields, two_files.dims, 10)
  with pytest.raises(UserError, match="no field 'teacher_logits'.* label_ids"):
    source.check()


def _fields_source(path, fields, **changes):
  """Writes three records; the last one has some fields changed."""
  dims = {'S': 4, 'P': 2, 'C': 3}
  zeros = {
    field.name: [0] * dims.get(field.length, field.length or 3)
    for field in fields
  }
  with RecordWriter(str(path)) as writer:
    for values in (zeros, zeros, {**zeros, **changes}):
      feature = {
        field.name: proto_features.int64_feature(values[field.name])
        if field.dtype == 'int64'
        else proto_features.float_feature(values[field.name])
        for field in fields
      }
      example = tf.train.Example(features=tf.train.Features(feature=feature))
      writer.write(example.SerializeToString())
  return RecordSource((str(path),), fields, dims, 10)


def _read_all(source):
  """Reads a source as a run does that checked only each file's first record."""
  source.check()
  with source.explained():
    source.parse([*record_reader.read(source.paths[0])])


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
    _read_all(source)


@pytest.mark.parametrize('length', [0, 5])
@pytest.mark.parametrize('name', ['input_ids', 'segment_ids'])
def test_an_unpadded_field_of_a_wrong_length_is_named(tmp_path, name, length):
  changes = {name: [0] * length}
  source = _fields_source(tmp_path / 'a', _DUMP_FIELDS, **changes)
  with pytest.raises(
    UserError,
    match=f'record 2: {name} has {length} values, expected 1 to 4 .`max_seq',
  ):
    _read_all(source)


def test_a_missing_label_of_a_dump_and_any_number_are_in_range(tmp_path):
  source = _fields_source(tmp_path / 'a', _DUMP_FIELDS, label_ids=[-1])
  _read_all(source)
  fields = (*_DUMP_FIELDS[:2], feature_spec.LOGITS_DUMP_NUMBER)
  _read_all(_fields_source(tmp_path / 'b', fields, label_ids=[-7.5]))


def _train(source, order):
  """Reads an epoch of 15 batches."""
  for _ in training_batches(source, order, 0).take(15):
    pass


def test_a_damaged_record_is_named_when_a_run_reads_it(two_files):
  order = tiny_records.order(two_files, 10)
  path = two_files.paths[1]
  with open(path, 'r+b') as file:
    file.seek(-30, 2)
    file.write(b'\xff\xff')
  with (
    pytest.raises(UserError, match='b is damaged .*record 59'),
    two_files.explained(),
  ):
    _train(two_files, order)


def test_records_are_not_read_again_if_a_step_does_not_compile(
  two_files, monkeypatch
):
  monkeypatch.setattr(record_index, 'scan', pytest.fail)
  refused = tf.errors.InvalidArgumentError(None, None, 'Compilation failure: x')
  with (
    pytest.raises(tf.errors.InvalidArgumentError, match='failure: x'),
    two_files.explained(),
  ):
    raise refused


def _infer(source, _):
  for _ in inference_batches(source, 10):
    pass


@pytest.mark.parametrize('use', [_train, _infer])
def test_a_length_that_no_file_holds_does_not_crash_a_run(two_files, use):
  order = tiny_records.order(two_files, 10)
  path = two_files.paths[1]
  with open(path, 'r+b') as file:  # The index stays valid.
    file.write(tiny_records.header(1 << 62))
  with (
    pytest.raises(UserError, match='b is damaged .*record 0 .* beyond the end'),
    two_files.explained(),
  ):
    use(two_files, order)
  with pytest.raises(UserError, match='b is damaged .*record 0 .* beyond the'):
    two_files.check()


def test_a_file_that_is_gone_or_was_cut_at_a_record_is_named(two_files):
  order = tiny_records.order(two_files, 10)
  indexes = [record_index.load_index(path) for path in two_files.paths]
  path = two_files.paths[1]
  with open(path, 'r+b') as file:
    file.truncate(record_index.scan(path, window=1).offsets[20])
  with (
    pytest.raises(UserError, match='b has changed .* 20 records, .* has 60'),
    two_files.explained(indexes),
  ):
    _train(two_files, order)
  os.remove(path)
  with (
    pytest.raises(UserError, match="a file of records: .* no file '.*/b'"),
    two_files.explained(indexes),
  ):
    _train(two_files, order)
