"""The index of a TFRecord file, which lets a reader start at any window.

`name.index.json` is next to the file `name` and holds the byte offset of
every `WINDOW`-th record. A file without an index, or with the index of another
file, is scanned; `load_indexes` keeps what a scan has found.
"""

import dataclasses
import functools
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.records import record_reader
from data.records.file_names import index_path
from system import files, threads
from system.errors import UserError, reason_of

# Records between two entries of the index. Small windows shuffle well; at 64,
# ten million records need 156,250 offsets, a 2 MB index.
WINDOW = 64


@dataclasses.dataclass(frozen=True)
class Index:
  """The windows of one TFRecord file.

  Attributes:
    path: the file.
    num_records: its records.
    window: records in a window.
    offsets: int64 [num_windows], the first byte of each window.
    num_bytes: the size of the file.
    origin: the file that holds this index; None if the records were
      scanned.
  """

  path: str
  num_records: int
  window: int
  offsets: np.ndarray
  num_bytes: int
  origin: str | None = None

  def window_sizes(self) -> np.ndarray:
    """Returns the number of records in each window, int64 [num_windows]."""
    starts = np.arange(len(self.offsets), dtype=np.int64) * self.window
    return np.minimum(self.window, self.num_records - starts)

  def ends(self) -> np.ndarray:
    """Returns the byte after each window, int64 [num_windows]."""
    return np.append(self.offsets[1:], self.num_bytes)


def write_index(
  index_file: str,
  num_bytes: int,
  num_records: int,
  offsets: Sequence[int],
  details: dict[str, Any],
) -> None:
  """Writes the index of a file.

  Args:
    index_file: where to write it.
    num_bytes: the size of the TFRecord file.
    num_records: its number of records.
    offsets: where every `WINDOW`-th record begins, bytes.
    details: further JSON values by name; left out if empty.
  """
  content = _content(num_bytes, num_records, offsets, WINDOW)
  if details:
    content['details'] = details
    content['checksum'] = _checksum(content)
  files.write_json(index_file, content)


def _content(
  num_bytes: int, num_records: int, offsets: Sequence[int], window: int
) -> dict[str, Any]:
  content = {
    'bytes': num_bytes,
    'num_records': num_records,
    'offsets': list(offsets),
    'window': window,
  }
  return {**content, 'checksum': _checksum(content)}


def load_indexes(
  paths: Sequence[str], kept_file: str, *, writes: bool
) -> list[Index]:
  """Reads the indexes of files; see `load_index`.

  Args:
    paths: TFRecord files.
    kept_file: a JSON file that keeps the indexes of scanned files, for the next
      call.
    writes: whether to write it if files were scanned.

  Raises:
    UserError: as for `load_index`.
  """
  kept = {}
  try:
    kept = files.read_object_if_there(kept_file)
  except UserError as error:
    logging.warning('%s is not used: %s', kept_file, reason_of(error))
  load = functools.partial(load_index, kept=kept, kept_file=kept_file)
  indexes = threads.concurrent_map(load, paths)
  if writes and any(index.origin is None for index in indexes):
    contents = {
      x.path: _content(x.num_bytes, x.num_records, x.offsets.tolist(), x.window)
      for x in indexes
      if x.origin in (None, kept_file)
    }
    files.write_json(kept_file, contents)
  return indexes


def load_index(
  path: str, kept: Mapping[str, Any] | None = None, kept_file: str = ''
) -> Index:
  """Reads a TFRecord file's index; scans the file if it has no usable one.

  Compares the number of records with the file by reading the last window;
  `record_reader.read_from` compares the other windows when they are read.

  Args:
    path: the file.
    kept: the content of `kept_file`: path → index.
    kept_file: an index there is used if there is none next to the file.

  Raises:
    UserError: the TFRecord file is missing, empty, or damaged.
  """
  files.require_file(path, 'a TFRecord file')
  num_bytes = files.size(path)
  if num_bytes == 0:
    raise UserError(f'{path} is empty: it holds no record')
  for origin, read in _stored(path, kept or {}, kept_file):
    try:
      stored = read()
      if stored.get('bytes') == num_bytes:
        index = _parse_index(path, stored, origin)
        _check_last_window(index)
        return index
    except (
      UserError,
      AttributeError,
      KeyError,
      TypeError,
      ValueError,
    ) as error:
      logging.warning('%s is not used: %s', origin, reason_of(error))
  return scan(path)


def _stored(
  path: str, kept: Mapping[str, Any], kept_file: str
) -> Iterator[tuple[str, Callable[[], Any]]]:
  """Yields the files that have an index of a file, and how it is read."""
  if files.exists(index_path(path)):
    yield index_path(path), lambda: files.read_json(index_path(path))
  if path in kept:
    yield kept_file, lambda: kept[path]


def _parse_index(path: str, stored: dict[str, Any], origin: str) -> Index:
  """Returns an index from its JSON; raises `ValueError` if it is wrong."""
  check_content(stored)
  offsets = np.asarray(stored['offsets'], np.int64)
  num_records, window = stored['num_records'], stored['window']
  if not (
    type(num_records) is type(window) is int
    and window > 0
    and num_records > 0
    and offsets.shape == (-(-num_records // window),)
    and offsets[0] == 0
    and np.all(np.diff(offsets) > 0)
    and offsets[-1] < stored['bytes']
  ):
    raise ValueError('its offsets do not match its number of records')
  return Index(path, num_records, window, offsets, stored['bytes'], origin)


def _check_last_window(index: Index) -> None:
  """Raises a `UserError` if the last window is not as the index describes."""
  with files.open_stream(index.path) as file:
    record_reader.read_from(
      file,
      index.path,
      int(index.offsets[-1]),
      int(index.window_sizes()[-1]),
      index.num_bytes,
    )


def check_content(stored: dict[str, Any]) -> None:
  """Raises `ValueError` if an index was changed since it was written.

  Indexes that other programs write may lack a checksum.
  """
  checksum = stored.get('checksum')
  if checksum is not None and checksum != _checksum(stored):
    raise ValueError('its checksum is not that of its content')


def _checksum(stored: dict[str, Any]) -> str:
  """Returns the checksum of all values except the checksum itself."""
  stored = {name: x for name, x in stored.items() if name != 'checksum'}
  text = json.dumps(stored, sort_keys=True)
  return f'{zlib.crc32(text.encode()):08x}'


def check_index(index: Index) -> None:
  """Reads a whole file and compares it with its index.

  Raises:
    UserError: a record is damaged, or the index is of another file.
  """
  found = scan(index.path, index.window)
  origin = index.origin or index_path(index.path)
  if not np.array_equal(found.offsets, index.offsets) or (
    found.num_records != index.num_records
  ):
    raise UserError(
      f'{index.path} has changed since its index was made: it holds '
      f'{found.num_records} records, the index has {index.num_records}. If '
      f'nobody has changed it, {origin} is damaged: remove it, and the file '
      'is scanned instead.'
    )


def scan(path: str, window: int = WINDOW) -> Index:
  """Builds the index of a TFRecord file; reads it whole, checksums included.

  Args:
    path: the file.
    window: records between two entries of the index.

  Raises:
    UserError: a record is damaged; the message names the first one by file,
      number and byte offset.
  """
  ends = [np.zeros(1, np.int64)]
  for framed in record_reader.read_framed(path):
    ends.append(ends[-1][-1] + framed.ends)
  bounds = np.concatenate(ends)
  num_records = len(bounds) - 1
  if not num_records:
    raise UserError(f'{path} is empty: it holds no record')
  num_bytes = int(bounds[-1])
  return Index(path, num_records, window, bounds[:-1:window], num_bytes)
