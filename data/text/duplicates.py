"""Finds documents that occur in a corpus more than once, however large it is.

Each document takes 28 bytes: in memory or, from a million documents on, in
temporary files (in $TMPDIR, or the system's temporary folder if that is not
set). The 365 million documents of C4 take 10 GB. Documents whose digests have
the same first byte share a file, so that each file can be sorted on its own.
"""

import os
import tempfile
from collections.abc import Iterator

import numpy as np

from system import file_systems

_IN_MEMORY = 1 << 20
_NUM_PARTS = 256

_ADDED = np.dtype([('high', '<u8'), ('low', '<u8'), ('num_bytes', '<u4')])
NOTED = np.dtype([*_ADDED.descr, ('number', '<i8')])


class Duplicates:
  """Collects documents, then finds the duplicates; use as a context manager."""

  def __init__(self, in_memory: int = _IN_MEMORY):
    """Begins with no document.

    Args:
      in_memory: how many documents to keep in memory before writing them to
        files.
    """
    self._max_bytes = in_memory * _ADDED.itemsize
    self._added = bytearray()
    self._num_noted = 0
    self._folder: tempfile.TemporaryDirectory | None = None

  def __enter__(self) -> 'Duplicates':
    return self

  def __exit__(self, *error) -> None:
    if self._folder:
      self._folder.cleanup()

  def add(self, digest: bytes, num_bytes: int) -> None:
    """Adds the next document: its digest, 16 bytes, and its length."""
    self._added += entry(digest, num_bytes)
    if len(self._added) >= self._max_bytes:
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
          rows = np.fromfile(path, NOTED)
        yield find_among(rows)

  def _take(self) -> np.ndarray:
    """Removes and returns the documents in memory; `NOTED` [N]."""
    taken = noted(self._added, self._num_noted)
    self._num_noted += len(taken)
    self._added.clear()
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


def noted(entries: bytes | bytearray, first: int) -> np.ndarray:
  """Returns joined entries with their numbers, from `first` on; `NOTED` [N]."""
  added = np.frombuffer(bytes(entries), _ADDED)
  rows = np.empty(len(added), NOTED)
  for name in _ADDED.names:
    rows[name] = added[name]
  rows['number'] = first + np.arange(len(added))
  return rows


def by_digest(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
  """Partitions entries, `NOTED` [N], by the first byte of their digests.

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
    rows: `NOTED` [N], in any order.
  """
  rows = rows[np.lexsort((rows['number'], rows['low'], rows['high']))]
  is_repeated = (rows['high'][1:] == rows['high'][:-1]) & (
    rows['low'][1:] == rows['low'][:-1]
  )
  found = rows[1:][is_repeated]
  return found['number'], found['num_bytes']
