"""Finds documents that occur in a corpus more than once, however large it is.

Up to a million documents are held in memory, 20 bytes each; more are written to
temporary files, 28 bytes each (in $TMPDIR, or the system's temporary folder if
that is not set). The 365 million documents of C4 take 10 GB. Documents whose
digests have the same first byte share a file, so that each file can be sorted
separately.
"""

import os
import tempfile
from collections.abc import Iterator

import numpy as np

from system import file_systems

_IN_MEMORY = 1 << 20
_NUM_PARTS = 256

# A document's digest in two halves, and its length.
_ENTRY = np.dtype([('high', '<u8'), ('low', '<u8'), ('num_bytes', '<u4')])
NUMBERED_ENTRY = np.dtype([*_ENTRY.descr, ('number', '<i8')])


class Duplicates:
  """Collects documents, then finds the duplicates; use as a context manager."""

  def __init__(self, in_memory: int = _IN_MEMORY):
    """Begins with no document.

    Args:
      in_memory: how many documents to keep in memory before writing them to
        files.
    """
    self._max_bytes = in_memory * _ENTRY.itemsize
    self._entries = bytearray()
    self._num_taken = 0
    self._folder: tempfile.TemporaryDirectory | None = None

  def __enter__(self) -> 'Duplicates':
    return self

  def __exit__(self, *error) -> None:
    if self._folder:
      self._folder.cleanup()

  def add(self, digest: bytes, num_bytes: int) -> None:
    """Adds the next document: its digest, 16 bytes, and its length."""
    self._entries += entry(digest, num_bytes)
    if len(self._entries) >= self._max_bytes:
      self._spill()

  def find(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the duplicates: every document of a text except the first.

    Yields:
      Several times, in no order: the documents' numbers, int64 [N], counted
      from 0 in the order of `add`; and their lengths, uint32 [N].

    Raises:
      UserError: the temporary files cannot be written or read.
    """
    if not self._folder:
      yield find_among(self._take())
      return
    self._spill()
    for part in range(_NUM_PARTS):
      path = self._path(part)
      if os.path.exists(path):
        with file_systems.explained('read', path):
          rows = np.fromfile(path, NUMBERED_ENTRY)
        yield find_among(rows)

  def _take(self) -> np.ndarray:
    """Removes and returns the documents in memory; `NUMBERED_ENTRY` [N]."""
    taken = numbered_entries(self._entries, self._num_taken)
    self._num_taken += len(taken)
    self._entries.clear()
    return taken

  def _spill(self) -> None:
    """Moves the documents in memory to the files of their parts."""
    taken = self._take()
    if not self._folder:
      with file_systems.explained('write to', tempfile.gettempdir()):
        self._folder = tempfile.TemporaryDirectory(prefix='duplicates-')
    for part, rows in by_digest(taken):
      path = self._path(part)
      with file_systems.explained('write', path), open(path, 'ab') as file:
        file.write(rows.tobytes())

  def _path(self, part: int) -> str:
    return os.path.join(self._folder.name, str(part))


def entry(digest: bytes, num_bytes: int) -> bytes:
  """Returns a document's entry, 20 bytes: its digest (16) and its length."""
  return digest + num_bytes.to_bytes(4, 'little')


def numbered_entries(entries: bytes | bytearray, first: int) -> np.ndarray:
  """Numbers entries from `first` on.

  Args:
    entries: the joined results of `entry`.
    first: the number of the first one.

  Returns:
    `NUMBERED_ENTRY` [N].
  """
  unnumbered = np.frombuffer(bytes(entries), _ENTRY)
  rows = np.empty(len(unnumbered), NUMBERED_ENTRY)
  for name in _ENTRY.names:
    rows[name] = unnumbered[name]
  rows['number'] = first + np.arange(len(unnumbered))
  return rows


def by_digest(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
  """Partitions entries by the first byte of their digests.

  Args:
    rows: `NUMBERED_ENTRY` [N].

  Yields:
    The part's number, below 256, and its entries in their order. All entries
    with the same digest are in one part.
  """
  parts = (rows['high'] & np.uint64(_NUM_PARTS - 1)).astype(np.uint8)
  rows = rows[np.argsort(parts, kind='stable')]
  ends = np.cumsum(np.bincount(parts, minlength=_NUM_PARTS))
  for part, own in enumerate(np.split(rows, ends[:-1])):
    if len(own):
      yield part, own


def find_among(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the numbers and lengths of duplicates; see `Duplicates.find`.

  Args:
    rows: `NUMBERED_ENTRY` [N], in any order.
  """
  rows = rows[np.lexsort((rows['number'], rows['low'], rows['high']))]
  is_repeated = (rows['high'][1:] == rows['high'][:-1]) & (
    rows['low'][1:] == rows['low'][:-1]
  )
  found = rows[1:][is_repeated]
  return found['number'], found['num_bytes']
