"""The order of a training run's examples, computed from its seed.

The records of all files form one infinite stream, epoch after epoch. Each epoch
permutes the windows of the indexes, and the records inside each window; it
holds every record once. The stream is cut into groups of a whole number of
batches; a group shuffles its records, and then its batches. A group may span
the end of an epoch.

Every permutation is a function of (seed, epoch, window) or (seed, group). So
the batch of any step can be computed directly: a run that resumes reads only
the windows of that step's group.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from data.records.record_index import Index

# Records that are sorted into buckets together. With the 20 buckets of S=512
# and B=32, about one batch in six holds records of two neighbouring buckets.
GROUP_RECORDS = 4096

# The purpose of a permutation; part of its key, so no two share random bits.
_WINDOWS, _IN_WINDOW, _IN_GROUP, _BATCHES = range(4)


@dataclasses.dataclass(frozen=True)
class Group:
  """The windows that a group of k batches reads, and the order of its rows."""

  files: np.ndarray  # int32 [W], the number of each window's file.
  # Each window's first record: its byte offset, and its number in the file.
  offsets: np.ndarray  # int64 [W]
  first_records: np.ndarray  # int64 [W]
  ends: np.ndarray  # int64 [W], the byte after each window.
  counts: np.ndarray  # int64 [W], records to read.
  take: np.ndarray  # int64 [k*B], rows: positions among the records read.
  positions: np.ndarray  # int64 [k*B], the same rows' positions in the stream.
  batch_order: np.ndarray  # int64 [k].


class TrainingOrder:
  """The order of the examples of a whole run."""

  def __init__(self, indexes: Sequence[Index], batch_size: int, seed: int):
    """Concatenates the windows of all files.

    Args:
      indexes: one for each file, in the order of the files.
      batch_size: B, examples in a global batch.
      seed: the run's seed.
    """
    self.batch_size = batch_size
    self.num_records = sum(index.num_records for index in indexes)
    self.group_batches = max(
      1, min(GROUP_RECORDS // batch_size, self.num_records // batch_size)
    )
    self._seed = seed
    self._files = np.concatenate(
      [np.full(len(x.offsets), i, np.int32) for i, x in enumerate(indexes)]
    )
    self._offsets = np.concatenate([x.offsets for x in indexes])
    self._first_records = np.concatenate(
      [np.arange(len(x.offsets), dtype=np.int64) * x.window for x in indexes]
    )
    self._ends = np.concatenate([x.ends() for x in indexes])
    self._sizes = np.concatenate([x.window_sizes() for x in indexes])
    self._epoch = functools.lru_cache(maxsize=2)(self._permute_epoch)

  def group(self, number: int) -> Group:
    """Computes one group; group 0 holds the first `group_batches` batches."""
    size = self.group_batches * self.batch_size
    pieces = list(self._pieces(number * size, (number + 1) * size))
    windows = np.array([window for window, _ in pieces])
    counts = self._sizes[windows]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    take = np.concatenate(
      [start + rows for start, (_, rows) in zip(starts, pieces, strict=True)]
    )
    shuffled = self._random(_IN_GROUP, number).permutation(size)
    return Group(
      self._files[windows],
      self._offsets[windows],
      self._first_records[windows],
      self._ends[windows],
      counts,
      take[shuffled],
      number * size + shuffled,
      self._random(_BATCHES, number).permutation(self.group_batches),
    )

  def locate(self, step: int) -> tuple[int, int]:
    """Returns a step's group, and the step's position in its `batch_order`."""
    return divmod(step, self.group_batches)

  def _pieces(self, start: int, end: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (window, its rows) for the stream's positions [start, end)."""
    while start < end:
      epoch, position = divmod(start, self.num_records)
      windows, ends = self._epoch(epoch)
      i = int(np.searchsorted(ends, position, side='right'))
      window = int(windows[i])
      first = position - (ends[i] - self._sizes[window])
      count = min(end - start, ends[i] - position)
      rows = self._random(_IN_WINDOW, epoch, window).permutation(
        self._sizes[window]
      )
      yield window, rows[first : first + count]
      start += count

  def _permute_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    windows = self._random(_WINDOWS, epoch).permutation(len(self._sizes))
    return windows, np.cumsum(self._sizes[windows])

  def _random(self, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([self._seed, *key]))
