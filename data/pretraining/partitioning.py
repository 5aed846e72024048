"""The division of a corpus into blocks, and of its records into shards.

A document's position is the number of bytes of all documents before it; its
block follows from the position by arithmetic. So any machine can compute a
document's block from the survey's sums alone.
"""

import dataclasses

# About 3,000 articles of Wikipedia, 2 M tokens: enough documents to draw random
# next sentences from, and little enough to hold several blocks in memory.
BLOCK_BYTES = 8 << 20


@dataclasses.dataclass(frozen=True)
class Partitioning:
  """The blocks of a corpus and the shards that their records go to.

  A shard holds the records of consecutive blocks. If there are fewer blocks
  than shards, the records of each block are cut into slices, and a shard holds
  consecutive slices.

  Attributes:
    num_bytes: UTF-8 bytes of all documents.
    num_shards: the number of output files.
    block_bytes: the target size of a block, in bytes.
  """

  num_bytes: int
  num_shards: int = 1
  block_bytes: int = BLOCK_BYTES

  @property
  def num_blocks(self) -> int:
    """The number of blocks, all of about equal size."""
    return max(1, self.num_bytes // self.block_bytes)

  @property
  def slices_per_block(self) -> int:
    """The number of slices into which the records of a block are cut."""
    return -(-self.num_shards // self.num_blocks)

  def block_at(self, position: int) -> int:
    """Returns the block of the document that begins at a byte."""
    return position * self.num_blocks // self.num_bytes

  def shard_of(self, block: int, slice_number: int) -> int:
    """Returns the shard that a slice of a block's records goes to."""
    unit = block * self.slices_per_block + slice_number
    num_units = self.num_blocks * self.slices_per_block
    # The last shard whose first unit, shard * num_units // num_shards, is not
    # beyond this one.
    return ((unit + 1) * self.num_shards - 1) // num_units

  def shards_of(self, block: int) -> range:
    """Returns the shards that a block's records go to."""
    last = self.shard_of(block, self.slices_per_block - 1)
    return range(self.shard_of(block, 0), last + 1)

  def is_first_shard_of(self, block: int, shard: int) -> bool:
    """Returns whether a shard holds the first records of a block.

    The block's documents count for that shard.
    """
    return shard == self.shards_of(block)[0]

  def records_of(self, block: int, shard: int, num_records: int) -> range:
    """Returns which of a block's records go to one of its shards.

    Args:
      block: the block's number.
      shard: one of its shards.
      num_records: how many records the block has.
    """
    slices = self.slices_per_block
    num_units = self.num_blocks * slices
    start, end = (
      min(max(i * num_units // self.num_shards - block * slices, 0), slices)
      for i in (shard, shard + 1)
    )
    return range(start * num_records // slices, end * num_records // slices)
