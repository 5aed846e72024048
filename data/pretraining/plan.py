"""How a corpus is cut into blocks, and its records into shards.

What lies in which block is arithmetic over the bytes of the text: a document's
position is the number of bytes of all documents before it. So the survey's sums
by file are all that anybody needs to know it, on one machine or on many.
"""

import dataclasses

# About 3,000 articles of Wikipedia, 2 M tokens: enough others to take random
# next sentences from, and little enough to hold several in memory.
BLOCK_BYTES = 8 << 20


@dataclasses.dataclass(frozen=True)
class Plan:
  """The blocks of a corpus and the shards that their records go to.

  A shard holds the records of consecutive blocks. Where there are fewer blocks
  than shards, each block's records are cut into slices, and a shard holds
  consecutive slices.

  Attributes:
    num_bytes: UTF-8 bytes of all documents.
    num_shards: how many output files there are.
    block_bytes: how large a block is to be.
  """

  num_bytes: int
  num_shards: int = 1
  block_bytes: int = BLOCK_BYTES

  @property
  def num_blocks(self) -> int:
    """How many blocks there are, all about equally large."""
    return max(1, self.num_bytes // self.block_bytes)

  @property
  def slices_per_block(self) -> int:
    """Into how many slices the records of a block are cut."""
    return -(-self.num_shards // self.num_blocks)

  def block_of(self, position: int) -> int:
    """Returns the block of the document that begins at a byte."""
    return position * self.num_blocks // self.num_bytes

  def shard_of(self, block: int, number: int) -> int:
    """Returns where slice `number` of a block's records goes."""
    unit = block * self.slices_per_block + number
    num_units = self.num_blocks * self.slices_per_block
    # The last shard whose first unit, shard * num_units // num_shards, is not
    # beyond this one.
    return ((unit + 1) * self.num_shards - 1) // num_units

  def shards_of(self, block: int) -> range:
    """Returns the shards that a block's records go to."""
    last = self.shard_of(block, self.slices_per_block - 1)
    return range(self.shard_of(block, 0), last + 1)

  def records_of(self, block: int, shard: int, count: int) -> range:
    """Returns which of a block's `count` records go to one of its shards."""
    slices = self.slices_per_block
    own = [i for i in range(slices) if self.shard_of(block, i) == shard]
    return range(own[0] * count // slices, (own[-1] + 1) * count // slices)
