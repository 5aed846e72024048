"""Indexes: equal to a scan of the file, and never trusted blindly."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tiny_records

from data.records import record_index
from data.records.file_names import index_path
from data.records.record_index import (
  check_index,
  load_index,
  load_indexes,
  scan,
)
from data.records.training_input import training_batches
from data.records.training_order import TrainingOrder
from system import files
from system.errors import UserError


def test_the_index_written_equals_the_index_scanned(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 130)
  stored, scanned = load_index(path), scan(path)
  assert files.exists(index_path(path))
  assert stored.num_records == scanned.num_records == 130
  # 16 bytes frame each record; five records have 1 + 2 + 3 + 4 + 5 bytes.
  assert stored.offsets.tolist() == [0, 64 * 16 + 12 * 15 + 10, 2429]
  np.testing.assert_array_equal(stored.offsets, scanned.offsets)
  assert stored.window_sizes().tolist() == [64, 64, 2]


def test_an_index_of_another_file_is_not_used(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 3)
  with tf.io.TFRecordWriter(path) as writer:
    writer.write(b'another')
  assert load_index(path).num_records == 1


def test_a_file_cut_short_is_named(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 10)
  content = (tmp_path / 'a').read_bytes()
  (tmp_path / 'a').write_bytes(content[:-3])
  with pytest.raises(
    UserError, match='record 9 .*counted from 0.* at byte 169'
  ):
    load_index(path)


def test_an_empty_file_is_named(tmp_path):
  (tmp_path / 'a').write_bytes(b'')
  with pytest.raises(UserError, match='a is empty'):
    load_index(str(tmp_path / 'a'))


def test_a_missing_file_is_named():
  with pytest.raises(UserError, match="no file '/no/such/file'"):
    load_index('/no/such/file')


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
def test_a_damaged_index_is_not_used(tmp_path, old, new, caplog):
  path = tiny_records.write_texts(tmp_path / 'a', 130)
  index = tmp_path / 'a.index.json'
  expected = load_index(path)
  text = index.read_text()
  assert text.count(old) == 1 or old == '{'
  index.write_text(text.replace(old, new, 1))
  found = load_index(path)
  assert 'a.index.json is not used: ' in caplog.text
  assert found.num_records == 130
  np.testing.assert_array_equal(found.offsets, expected.offsets)


@pytest.mark.parametrize(
  'changes',
  [
    {'num_records': -1},
    {'num_records': 10**15},
    {'num_records': '130'},
    {'num_records': 129},
    {'num_records': 192},
    {'offsets': [0, 1214, 2428]},
    {'offsets': [], 'num_records': 0},
    {'window': 0},
    {'offsets': [0, 10**15, 2429]},
    {'offsets': [0, 2429, 1204]},
    {'offsets': ['../x']},
    {'offsets': None},
  ],
)
def test_an_index_with_impossible_values_is_not_used(tmp_path, changes):
  path = tiny_records.write_texts(tmp_path / 'a', 130)
  index = str(tmp_path / 'a.index.json')
  stored = files.read_json(index)
  del stored['checksum']
  files.write_json(index, stored)
  assert load_index(path).num_records == 130
  files.write_json(index, {**stored, **changes})
  assert load_index(path).num_records == 130


@pytest.mark.parametrize('mistake', ['offset', 'number'])
def test_an_index_whose_last_window_alone_is_right_is_named_when_it_is_read(
  tmp_path, mistake
):
  paths = (tiny_records.write(tmp_path / 'a', [3] * 130),)
  index = str(tmp_path / 'a.index.json')
  stored = files.read_json(index)
  del stored['checksum']
  if mistake == 'offset':
    stored['offsets'][1] = int(scan(*paths, window=1).offsets[65])
  else:
    stored |= {'window': 63, 'num_records': 128}
  files.write_json(index, stored)
  source = tiny_records.source(*paths)
  found = load_index(*paths)
  assert found.num_records == stored['num_records']
  order = TrainingOrder([found], 10, seed=1)
  with (
    pytest.raises(UserError, match='a has changed since its index was made'),
    source.explained([found]),
  ):
    next(iter(training_batches(source, order, 0)))


def test_a_file_that_has_changed_since_it_was_indexed_is_named(tmp_path):
  index = load_index(tiny_records.write_texts(tmp_path / 'a', 130))
  check_index(index)
  tiny_records.write_texts(tmp_path / 'a', 129)
  with pytest.raises(UserError, match='a has changed .* 129 records, .* 130'):
    check_index(index)


def test_indexes_of_scanned_files_are_kept(tmp_path, monkeypatch, caplog):
  paths = [tiny_records.write_texts(tmp_path / x, 130) for x in 'ab']
  (tmp_path / 'a.index.json').unlink()
  kept = str(tmp_path / 'kept.json')
  first = load_indexes(paths, kept, writes=False)
  assert [x.origin for x in first] == [None, f'{paths[1]}.index.json']
  assert not files.exists(kept)
  load_indexes(paths, kept, writes=True)
  assert files.read_json(kept).keys() == {paths[0]}

  def fail(*_):
    raise AssertionError('scanned again')

  with monkeypatch.context() as patch:
    patch.setattr(record_index, 'scan', fail)
    again = load_indexes(paths, kept, writes=True)
  assert [x.origin for x in again] == [kept, f'{paths[1]}.index.json']
  np.testing.assert_array_equal(again[0].offsets, first[0].offsets)
  # Other files of the same names are scanned, and so are all if it is damaged.
  tiny_records.write_texts(tmp_path / 'a', 140)
  (tmp_path / 'a.index.json').unlink()
  assert load_indexes(paths, kept, writes=True)[0].num_records == 140
  pathlib.Path(kept).write_text('{')
  assert load_indexes(paths, kept, writes=True)[0].num_records == 140
  assert 'kept.json is not used' in caplog.text
