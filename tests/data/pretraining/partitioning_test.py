"""Blocks of a corpus, and shards of its records."""

import pytest

from data.pretraining.partitioning import Partitioning


def test_blocks_are_of_about_equal_size():
  partitioning = Partitioning(num_bytes=35, num_shards=1, block_bytes=10)
  assert partitioning.num_blocks == 3
  # 35 / 3 = 11.7 bytes each.
  blocks = [partitioning.block_at(position) for position in range(35)]
  assert blocks == [0] * 12 + [1] * 12 + [2] * 11
  assert Partitioning(9, 1, 10).num_blocks == 1


@pytest.mark.parametrize('num_blocks', [1, 2, 3, 7, 10])
@pytest.mark.parametrize('num_shards', [1, 2, 3, 5, 10, 29])
def test_shards_hold_consecutive_slices(num_blocks, num_shards):
  partitioning = Partitioning(num_blocks * 10, num_shards, 10)
  shards = [
    partitioning.shard_of(block, i)
    for block in range(num_blocks)
    for i in range(partitioning.slices_per_block)
  ]
  assert shards == sorted(shards)
  assert set(shards) == set(range(num_shards))
  sizes = [shards.count(shard) for shard in range(num_shards)]
  assert max(sizes) - min(sizes) <= 1
  for block in range(num_blocks):
    start = block * partitioning.slices_per_block
    mine = shards[start : start + partitioning.slices_per_block]
    assert list(partitioning.shards_of(block)) == sorted(set(mine))
    records = [
      partitioning.records_of(block, shard, 100) for shard in sorted({*mine})
    ]
    assert [number for part in records for number in part] == [*range(100)]


def test_records_of_a_block_go_to_its_shards():
  # Two blocks in three shards: two slices each, and the last shard has both of
  # the second block.
  partitioning = Partitioning(num_bytes=20, num_shards=3, block_bytes=10)
  assert partitioning.slices_per_block == 2
  assert partitioning.records_of(0, 0, 7) == range(3)
  assert partitioning.records_of(0, 1, 7) == range(3, 7)
  assert partitioning.records_of(1, 2, 7) == range(7)
