"""TFRecord files and their indexes."""

import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from data.records import tfrecords
from system import files
from system.errors import UserError


def _write(path, count):
  with tfrecords.RecordWriter(str(path)) as writer:
    for i in range(count):
      writer.write(b'x' * (i % 5 + 1))
  return str(path)


def test_written_records_are_tfrecords(tmp_path):
  path = _write(tmp_path / 'a', 7)
  read = [raw.numpy() for raw in tf.data.TFRecordDataset(path)]
  assert read == [b'x' * (i % 5 + 1) for i in range(7)]


def test_the_index_written_equals_the_index_scanned(tmp_path):
  path = _write(tmp_path / 'a', 130)
  stored, scanned = tfrecords.load_index(path), tfrecords.scan(path)
  assert files.exists(tfrecords.index_path(path))
  assert stored.num_records == scanned.num_records == 130
  # 16 bytes frame each record; five records have 1 + 2 + 3 + 4 + 5 bytes.
  assert stored.offsets.tolist() == [0, 64 * 16 + 12 * 15 + 10, 2429]
  np.testing.assert_array_equal(stored.offsets, scanned.offsets)
  assert stored.window_sizes().tolist() == [64, 64, 2]


def test_files_put_together_are_one_file(tmp_path, monkeypatch):
  # Shorter than the longest record.
  monkeypatch.setattr(tfrecords, '_CHUNK_BYTES', 18)
  content = [b'x' * (i % 5 + 1) for i in range(130)]
  _write(tmp_path / 'whole', 130)
  for name, part in (('a', content[:50]), ('b', []), ('c', content[50:])):
    with tfrecords.RecordWriter(str(tmp_path / name)) as writer:
      for record in part:
        writer.write(record)
  with tfrecords.RecordWriter(str(tmp_path / 'joined')) as writer:
    for name in 'abc':
      for framed in tfrecords.read_framed(str(tmp_path / name)):
        writer.write_framed(framed)
  for suffix in ('', '.index.json'):
    joined = (tmp_path / f'joined{suffix}').read_bytes()
    assert joined == (tmp_path / f'whole{suffix}').read_bytes()
  cut = tmp_path / 'cut'
  cut.write_bytes((tmp_path / 'a').read_bytes()[:-1])
  with pytest.raises(UserError, match='cut is cut short in its last record'):
    list(tfrecords.read_framed(str(cut)))


def test_an_index_of_another_file_is_not_believed(tmp_path):
  path = _write(tmp_path / 'a', 3)
  with tf.io.TFRecordWriter(path) as writer:
    writer.write(b'another')
  assert tfrecords.load_index(path).num_records == 1


def test_an_exception_leaves_the_earlier_file(tmp_path):
  path = _write(tmp_path / 'a', 3)
  with pytest.raises(RuntimeError), tfrecords.RecordWriter(path) as writer:
    writer.write(b'half')
    raise RuntimeError
  assert tfrecords.load_index(path).num_records == 3
  assert sorted(p.name for p in tmp_path.iterdir()) == ['a', 'a.index.json']


def test_a_writer_removes_what_one_killed_long_ago_left(tmp_path):
  old, new, other = (
    pathlib.Path(files.temporary_name(str(tmp_path / name)))
    for name in ('a', 'a', 'b')
  )
  for path in (old, new, other):
    path.write_bytes(b'half')
  for path in (old, other):
    os.utime(path, (1, 1))
  with tfrecords.RecordWriter(str(tmp_path / 'a')) as writer:
    assert not old.exists()
    writer.write(b'x')
    os.utime(new, (1, 1))  # As if this took an hour.
  assert not new.exists()
  assert other.exists()


def test_a_full_disk_is_told_and_leaves_the_earlier_file(tmp_path, monkeypatch):
  path = _write(tmp_path / 'a', 3)
  monkeypatch.setattr(files, 'temporary_name', lambda path: '/dev/full')
  monkeypatch.setattr(files, 'remove', lambda path: None)
  with (
    pytest.raises(UserError, match='cannot write .*/a: .*No space left'),
    tfrecords.RecordWriter(path) as writer,
  ):
    writer.write(b'x')
  assert tfrecords.load_index(path).num_records == 3


def test_a_file_cut_short_is_named(tmp_path):
  path = _write(tmp_path / 'a', 10)
  content = (tmp_path / 'a').read_bytes()
  (tmp_path / 'a').write_bytes(content[:-3])
  with pytest.raises(
    UserError, match='record 9 .*counted from 0.* at byte 169'
  ):
    tfrecords.load_index(path)


def test_an_empty_file_is_named(tmp_path):
  (tmp_path / 'a').write_bytes(b'')
  with pytest.raises(UserError, match='a is empty'):
    tfrecords.load_index(str(tmp_path / 'a'))


def test_a_missing_file_is_named():
  with pytest.raises(UserError, match="no file '/no/such/file'"):
    tfrecords.load_index('/no/such/file')


def test_shards_are_numbered():
  assert tfrecords.shard_names('dir/x', 2) == [
    'dir/x-00000-of-00002',
    'dir/x-00001-of-00002',
  ]


@pytest.mark.parametrize(
  ('old', 'new'),
  [
    ('"num_records": 130', '"num_records": 120'),
    ('1214', '1215'),  # An offset.
    ('"window": 64', '"window": 65'),
    ('"offsets"', '"offset_"'),
    ('{', '['),
  ],
)
def test_a_damaged_index_is_not_believed(tmp_path, old, new, caplog):
  path = _write(tmp_path / 'a', 130)
  index = tmp_path / 'a.index.json'
  expected = tfrecords.load_index(path)
  text = index.read_text()
  assert text.count(old) == 1 or old == '{'
  index.write_text(text.replace(old, new, 1))
  found = tfrecords.load_index(path)
  assert 'a.index.json is damaged and is not used' in caplog.text
  assert found.num_records == 130
  np.testing.assert_array_equal(found.offsets, expected.offsets)


@pytest.mark.parametrize(
  'changes',
  [
    {'num_records': -1},
    {'num_records': 10**15},
    {'num_records': '130'},
    {'window': 0},
    {'offsets': [0, 10**15, 2429]},
    {'offsets': [0, 2429, 1204]},
    {'offsets': ['../x']},
    {'offsets': None},
  ],
)
def test_an_index_from_elsewhere_cannot_say_anything(tmp_path, changes):
  path = _write(tmp_path / 'a', 130)
  index = str(tmp_path / 'a.index.json')
  stored = files.read_json(index)
  del stored['checksum']
  files.write_json(index, stored)
  assert tfrecords.load_index(path).num_records == 130
  files.write_json(index, {**stored, **changes})
  assert tfrecords.load_index(path).num_records == 130


def test_a_file_that_has_changed_since_it_was_indexed_is_named(tmp_path):
  index = tfrecords.load_index(_write(tmp_path / 'a', 130))
  tfrecords.check_index(index)
  _write(tmp_path / 'a', 129)
  with pytest.raises(UserError, match='a has changed .* 129 records, .* 130'):
    tfrecords.check_index(index)
