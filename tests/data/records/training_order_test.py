"""The computed order: every record once an epoch, any group at once."""

import collections

import numpy as np
import pytest

from data.records import training_order
from data.records.record_index import WINDOW, Index
from data.records.training_order import TrainingOrder

_SIZES = (WINDOW * 2 + 5, 3, WINDOW)  # Records of three files.


def _order(batch_size=8, seed=1):
  indexes = [
    # A record's offset is its number: windows begin at 0, 64, 128.
    Index(f'file-{i}', size, WINDOW, np.arange(0, size, WINDOW), size)
    for i, size in enumerate(_SIZES)
  ]
  return TrainingOrder(indexes, batch_size, seed)


def _records(order, number):
  """Returns the (file, record) of each of a group's examples, in order."""
  group = order.group(number)
  read = [
    (file, offset + row)
    for file, offset, count in zip(
      group.files.tolist(), group.offsets, group.counts, strict=True
    )
    for row in range(count)
  ]
  return [read[i] for i in group.take]


def _stream(order, num_groups):
  return [x for i in range(num_groups) for x in _records(order, i)]


def test_each_epoch_of_the_stream_holds_every_record_once():
  order = _order()
  assert order.num_records == sum(_SIZES)
  epochs = 25  # Whole groups: 200 records, 25 batches of 8 a group.
  seen = collections.Counter(_stream(order, epochs))
  everything = {(f, r) for f, size in enumerate(_SIZES) for r in range(size)}
  assert seen.keys() == everything
  assert set(seen.values()) == {epochs}


def test_a_group_that_crosses_an_epoch_holds_the_rest_and_the_beginning():
  order = _order(batch_size=64)  # Groups of 192 of the 200 records.
  assert order.group_batches == 3
  first, second = _records(order, 0), _records(order, 1)
  assert len(set(first)) == 192
  missing = set(_stream(order, 2)) - set(first)
  assert len(missing) == 8 and missing <= set(second)


def test_the_order_is_a_function_of_the_seed_and_the_group_alone():
  forwards = [_records(_order(), i) for i in range(4)]
  backwards_of_one = _order()
  for i in (3, 1, 2, 0):
    assert _records(backwards_of_one, i) == forwards[i]
  assert _records(_order(seed=2), 0) != forwards[0]
  assert forwards[0] != forwards[1]


def test_a_position_in_the_stream_is_that_of_one_record_of_an_epoch():
  def at_positions(batch_size, num_groups):
    order, found = _order(batch_size), {}
    for i in range(num_groups):
      positions = order.group(i).positions.tolist()
      found.update(zip(positions, _records(order, i), strict=True))
    return found

  # Groups of 200 and of 192 records.
  found = at_positions(8, 24)
  assert at_positions(64, 25) == found
  assert sorted(found) == [*range(24 * 200)]
  for epoch in range(24):
    assert len({found[200 * epoch + i] for i in range(200)}) == 200


def test_a_group_reads_its_windows_only():
  group = _order().group(0)
  windows = zip(
    group.files, group.offsets, group.first_records, group.counts, strict=True
  )
  # All 200 records; an offset is a record's number in these files.
  assert sorted(windows) == [
    (0, 0, 0, 64),
    (0, 64, 64, 64),
    (0, 128, 128, 5),
    (1, 0, 0, 3),
    (2, 0, 0, 64),
  ]
  assert group.first_records.dtype == np.int64


def test_batches_of_a_group_come_in_a_shuffled_order():
  group = _order().group(0)
  assert sorted(group.batch_order) == list(range(25))
  assert group.batch_order.tolist() != list(range(25))


@pytest.mark.parametrize(
  ('batch_size', 'batches'), [(8, 25), (256, 1), (200, 1), (199, 1)]
)
def test_a_group_has_whole_batches_even_of_a_small_data_set(
  batch_size, batches
):
  order = _order(batch_size)
  assert order.group_batches == batches
  assert len(order.group(0).take) == batches * batch_size


def test_windows_end_where_the_next_begins():
  group = _order().group(0)
  ends = group.offsets + group.counts
  assert group.ends.tolist() == ends.tolist()


def test_groups_are_bounded():
  size = 10 * training_order.GROUP_RECORDS
  index = Index('file', size, WINDOW, np.arange(0, size, WINDOW), size)
  order = TrainingOrder([index], 32, seed=0)
  assert order.group_batches * 32 == training_order.GROUP_RECORDS
