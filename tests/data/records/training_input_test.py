"""Training batches: their order, and how replicas divide them."""

import dataclasses
import errno
import itertools
import os
import pathlib
import re
import time

import numpy as np
import pytest
import tensorflow as tf
import tiny_records

from data.records import record_index, record_reader
from data.records.file_names import index_path
from data.records.training_input import (
  TrainingBatches,
  records_of_batch,
  training_batches,
)
from data.records.training_order import TrainingOrder
from system.errors import Unavailable, UserError


def _labels(source, order, start_step, num_steps, num_replicas=1):
  """Returns the labels of each batch, or of each replica's part."""
  dataset = training_batches(source, order, start_step, num_replicas)
  return [
    batch['label_ids'].tolist()
    for batch in dataset.take(num_steps * num_replicas).as_numpy_iterator()
  ]


def test_an_epoch_holds_every_record_once(two_files):
  order = tiny_records.order(two_files, batch_size=10)
  for epoch in range(2):
    seen = _labels(two_files, order, epoch * 15, 15)
    assert sorted(itertools.chain(*seen)) == list(range(150))


@pytest.mark.slow
def test_epochs_and_seeds_differ_in_their_order(two_files):
  order = tiny_records.order(two_files, batch_size=10)
  first = _labels(two_files, order, 0, 15)
  assert first != _labels(two_files, order, 15, 15)
  assert first != _labels(
    two_files, tiny_records.order(two_files, 10, seed=2), 0, 15
  )
  assert first == _labels(two_files, tiny_records.order(two_files, 10), 0, 15)


def test_remote_files_are_read_in_the_same_order(two_files):
  order = tiny_records.order(two_files, batch_size=10)
  paths = tuple(f'ram://same_order/{i}' for i in range(2))
  for path, local in zip(paths, two_files.paths, strict=True):
    tf.io.gfile.copy(local, path)
  remote = dataclasses.replace(two_files, paths=paths)
  assert _labels(remote, order, 0, 15) == _labels(two_files, order, 0, 15)


def test_storage_that_does_not_answer_is_named_without_a_scan(
  two_files, monkeypatch
):
  order = tiny_records.order(two_files, batch_size=10)

  def fail(*_):
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

  def scan(_):
    pytest.fail('scans the files')

  monkeypatch.setattr(record_reader.framing, 'ends_of', fail)
  monkeypatch.setattr(record_index, 'scan', scan)
  path = '|'.join(map(re.escape, two_files.paths))
  with (
    pytest.raises(Unavailable, match=f'^cannot read ({path}): Stale'),
    two_files.explained(),
  ):
    _labels(two_files, order, 0, 15)


def test_records_that_fill_no_batch_move_to_the_next_epoch(two_files):
  # An epoch is a group of 9 batches of 16, and 6 records more; 25 groups are
  # 24 epochs.
  order = tiny_records.order(two_files, batch_size=16)
  seen = list(itertools.chain(*_labels(two_files, order, 0, 225)))
  assert np.bincount(seen).tolist() == [24] * 150


def test_a_data_set_smaller_than_a_batch_repeats(tmp_path):
  source = tiny_records.source(tiny_records.write(tmp_path / 'a', [3, 4, 5]))
  (batch,) = _labels(source, tiny_records.order(source, batch_size=6), 0, 1)
  assert sorted(batch) == [0, 0, 1, 1, 2, 2]


@pytest.mark.slow
def test_any_step_is_reached_without_those_before_it(two_files):
  order = tiny_records.order(two_files, batch_size=4)
  whole = _labels(two_files, order, 0, 90)
  for step in (1, 36, 37, 38, 74, 80):
    assert _labels(two_files, order, step, 3) == whole[step : step + 3]


def test_replicas_cut_their_rows_from_the_same_global_batch(two_files):
  order = tiny_records.order(two_files, batch_size=12)
  whole = _labels(two_files, order, 5, 4)
  parts = _labels(two_files, order, 5, 4, num_replicas=3)
  assert [len(part) for part in parts] == [4] * 12
  joined = [sum(parts[i : i + 3], []) for i in range(0, 12, 3)]
  assert joined == whole


def test_a_worker_feeds_its_own_replicas_alone(two_files):
  order = tiny_records.order(two_files, batch_size=12)
  parts = _labels(two_files, order, 5, 2, num_replicas=4)
  own = training_batches(two_files, order, 5, 4, range(2, 4))
  found = [b['label_ids'].tolist() for b in own.take(4).as_numpy_iterator()]
  assert found == [parts[2], parts[3], parts[6], parts[7]]
  assert own.cardinality() == tf.data.INFINITE_CARDINALITY


def test_replicas_know_where_their_rows_begin_and_the_global_denominator(
  two_files,
):
  dataset = training_batches(
    two_files, tiny_records.order(two_files, batch_size=12), 0, 3
  )
  parts = list(dataset.take(3).as_numpy_iterator())
  assert [part['first_example'] for part in parts] == [0, 4, 8]
  assert [part['example_denominator'] for part in parts] == [12.0] * 3


def test_a_batch_that_replicas_cannot_share_is_refused(two_files):
  with pytest.raises(UserError, match='`train_batch_size`=10.* 3 equal parts'):
    training_batches(two_files, tiny_records.order(two_files, 10), 0, 3)


def test_batches_are_padded_to_their_own_bucket(two_files):
  order = tiny_records.order(two_files, batch_size=10)
  dataset = training_batches(two_files, order, 0)
  widths = []
  for batch in dataset.take(15).as_numpy_iterator():
    longest = batch['input_mask'].sum(axis=1).max()
    widths.append(batch['input_ids'].shape[1])
    assert widths[-1] - 8 < longest <= widths[-1]
    np.testing.assert_array_equal(batch['input_ids'], batch['input_mask'] * 7)
  assert set(widths) == {8, 16, 24}


def test_the_lengths_of_the_next_batches_are_known(two_files):
  order = tiny_records.order(two_files, batch_size=10)
  batches = TrainingBatches(two_files, order)
  seen = {x['input_ids'].shape[1] for x in batches(15).take(15)}
  assert batches.lengths(17) == sorted(seen)


def test_the_records_of_a_batch_are_named(two_files):
  # Crosses an epoch of 150 records and a group of 15 batches.
  order = tiny_records.order(two_files, 10)
  batches = TrainingBatches(two_files, order)
  for step in (14, 40):
    (expected,) = _labels(two_files, order, step, 1)
    found = records_of_batch(two_files, order, step)
    numbers = [n + 90 * (path == two_files.paths[1]) for path, n in found]
    assert numbers == expected
  text = batches.describe(40)
  for path, first in zip(two_files.paths, (0, 90), strict=True):
    own = sorted(n - first for n in expected if 0 <= n - first < 90)
    assert (
      f'{path}, records (counted from 0) {", ".join(map(str, own))}' in text
    )


def _write_sparse_dump(folder, group_of):
  """Writes 10 million records, zeros outside one group and the last window.

  Args:
    folder: where to write it.
    group_of: an index → the group whose records are written.

  Returns:
    The file's path; its index is complete.
  """
  framed = pathlib.Path(tiny_records.write(folder / 'one', [9])).read_bytes()
  count, window = 10_000_000, record_index.WINDOW
  offsets = np.arange(0, count, window, dtype=np.int64) * len(framed)
  path = str(folder / 'dump')
  num_bytes = count * len(framed)
  index = record_index.Index(path, count, window, offsets, num_bytes)
  group = group_of(index)
  starts = [*group.offsets, offsets[-1]]
  sizes = [*group.counts, index.window_sizes()[-1]]
  with open(path, 'wb') as file:
    for offset, size in zip(starts, sizes, strict=True):
      file.seek(offset)
      file.write(framed * size)
    file.truncate(num_bytes)
  record_index.write_index(
    index_path(path), num_bytes, count, offsets.tolist(), {}
  )
  return path


def test_any_step_of_ten_million_records_is_reached_in_seconds(tmp_path):
  step = 3 * 10_000_000 // 32 - 2000  # Late in the third epoch.

  def group_of(index):
    order = TrainingOrder([index], 32, seed=1)
    return order.group(order.locate(step)[0])

  source = tiny_records.source(_write_sparse_dump(tmp_path, group_of))
  # Of this process: others may take its cores.
  started = time.process_time()
  (labels,) = _labels(source, tiny_records.order(source, 32), step, 1)
  assert time.process_time() - started < 20
  assert labels == [0] * 32


def test_deleting_an_iterator_does_not_wait_for_a_tuner(two_files):
  # The tuner's thread kept it waiting for up to a minute.
  order = tiny_records.order(two_files, batch_size=10)
  batches = training_batches(two_files, order, 0)
  assert batches.options().autotune.enabled is False
