"""Files of records: whole or absent, and equal however they are written."""

import os
import pathlib

import pytest
import tensorflow as tf
import tiny_records

from data.records import record_reader
from data.records.record_index import load_index
from data.records.record_reader import read_framed
from data.records.record_writer import RecordWriter
from system import files, temporary_files
from system.errors import UserError


def test_written_records_are_tfrecords(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 7)
  read = [raw.numpy() for raw in tf.data.TFRecordDataset(path)]
  assert read == [b'x' * (i % 5 + 1) for i in range(7)]


def test_joined_files_equal_one_written_whole(tmp_path, monkeypatch):
  # Shorter than the longest record.
  monkeypatch.setattr(record_reader, '_CHUNK_BYTES', 18)
  content = [b'x' * (i % 5 + 1) for i in range(130)]
  tiny_records.write_texts(tmp_path / 'whole', 130)
  for name, part in (('a', content[:50]), ('b', []), ('c', content[50:])):
    with RecordWriter(str(tmp_path / name)) as writer:
      for record in part:
        writer.write(record)
  with RecordWriter(str(tmp_path / 'joined')) as writer:
    for name in 'abc':
      for framed in read_framed(str(tmp_path / name)):
        writer.write_framed(framed)
  for suffix in ('', '.index.json'):
    joined = (tmp_path / f'joined{suffix}').read_bytes()
    assert joined == (tmp_path / f'whole{suffix}').read_bytes()
  cut = tmp_path / 'cut'
  cut.write_bytes((tmp_path / 'a').read_bytes()[:-1])
  with pytest.raises(
    UserError, match='cut is damaged or cut short: record 49 '
  ):
    list(read_framed(str(cut)))


def test_an_exception_leaves_the_earlier_file(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 3)
  with pytest.raises(RuntimeError), RecordWriter(path) as writer:
    writer.write(b'half')
    raise RuntimeError
  assert load_index(path).num_records == 3
  assert sorted(p.name for p in tmp_path.iterdir()) == ['a', 'a.index.json']


def test_a_writer_removes_old_temporary_files_of_its_path(tmp_path):
  old, new, other = (
    pathlib.Path(temporary_files.name_for(str(tmp_path / name)))
    for name in ('a', 'a', 'b')
  )
  for path in (old, new, other):
    path.write_bytes(b'half')
  for path in (old, other):
    os.utime(path, (1, 1))
  with RecordWriter(str(tmp_path / 'a')) as writer:
    assert not old.exists()
    writer.write(b'x')
    os.utime(new, (1, 1))  # Now it looks abandoned, too.
  assert not new.exists()
  assert other.exists()


def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch):
  path = tiny_records.write_texts(tmp_path / 'a', 3)
  monkeypatch.setattr(temporary_files, 'name_for', lambda path: '/dev/full')
  monkeypatch.setattr(files, 'remove', lambda path: None)
  with (
    pytest.raises(UserError, match='cannot write .*/a: .*No space left'),
    RecordWriter(path) as writer,
  ):
    writer.write(b'x')
  assert load_index(path).num_records == 3
