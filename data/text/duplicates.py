"""Finds documents that stand in a corpus again, however large it is.

Of each document 28 bytes are noted: in memory and, from a million documents on,
in temporary files (in $TMPDIR, the system's own if not set), 10 GB for the 365
million of C4. Documents with the same first byte of their digest come into one
file, so that one file after another can be sorted.
"""

import os
import tempfile
from collections.abc import Iterator

import numpy as np

from system import files

_IN_MEMORY = 1 << 20
_NUM_PARTS = 256

_ADDED = np.dtype([('high', '<u8'), ('low', '<u8'), ('num_bytes', '<u4')])
NOTED = np.dtype([*_ADDED.descr, ('number', '<i8')])


class Duplicates:
  """Notes documents, then finds the duplicates; use as a context manager."""

  def __init__(self, in_memory: int = _IN_MEMORY):
    """Begins with no document.

    Args:
      in_memory: as many documents are kept out of files.
    """
    self._most_bytes = in_memory * _ADDED.itemsize
    self._added = bytearray()
    self._num_noted = 0
    self._folder: tempfile.TemporaryDirectory | None = None

  def __enter__(self) -> 'Duplicates':
    return self

  def __exit__(self, *error) -> None:
    if self._folder:
      self._folder.cleanup()

  def add(self, digest: bytes, num_bytes: int) -> None:
    """Notes the next document: its digest, 16 bytes, and its length."""
    self._added += entry(digest, num_bytes)
    if len(self._added) >= self._most_bytes:
      self._spill()

  def find(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the duplicates, all but the first of each text.

    Yields:
      Their numbers, int64 [N], in the order in which they were added, from 0;
      and their lengths, uint32 [N]. Several times, in no order.

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
        with files.explained('read', path):
          rows = np.fromfile(path, NOTED)
        yield find_among(rows)

  def _take(self) -> np.ndarray:
    """Returns what was added since, and forgets it."""
    taken = noted(self._added, self._num_noted)
    self._num_noted += len(taken)
    self._added.clear()
    return taken

  def _spill(self) -> None:
    """Appends what was added to the files of its parts."""
    taken = self._take()
    if not self._folder:
      with files.explained('write to', tempfile.gettempdir()):
        self._folder = tempfile.TemporaryDirectory(prefix='duplicates-')
    for part, rows in by_digest(taken):
      path = self._path(part)
      with files.explained('write', path), open(path, 'ab') as file:
        file.write(rows.tobytes())

  def _path(self, part: int) -> str:
    return os.path.join(self._folder.name, str(part))


def entry(digest: bytes, num_bytes: int) -> bytes:
  """Returns what is noted of a document: its digest, 16 bytes, its length."""
  return digest + num_bytes.to_bytes(4, 'little')


def noted(entries: bytes | bytearray, first: int) -> np.ndarray:
  """Numbers entries from `first` on; `NOTED` [N]."""
  added = np.frombuffer(bytes(entries), _ADDED)
  rows = np.empty(len(added), NOTED)
  for name in _ADDED.names:
    rows[name] = added[name]
  rows['number'] = first + np.arange(len(added))
  return rows


def by_digest(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
  """Yields parts of what was noted, of which one holds all of a digest.

  Yields:
    The part's number, below 256, and its rows in the order in which they were.
  """
  parts = (rows['high'] & np.uint64(_NUM_PARTS - 1)).astype(np.uint8)
  rows = rows[np.argsort(parts, kind='stable')]
  ends = np.cumsum(np.bincount(parts, minlength=_NUM_PARTS))
  for part, own in enumerate(np.split(rows, ends[:-1])):
    if len(own):
      yield part, own


def find_among(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the numbers and lengths of what stands again.

  Args:
    rows: `NOTED` [N], in any order.
  """
  rows = rows[np.lexsort((rows['number'], rows['low'], rows['high']))]
  again = (rows['high'][1:] == rows['high'][:-1]) & (
    rows['low'][1:] == rows['low'][:-1]
  )
  found = rows[1:][again]
  return found['number'], found['num_bytes']
