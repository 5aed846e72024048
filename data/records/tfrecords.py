"""TFRecord files with an index: written whole, reachable at any window.

Beside `name` stands `name.index.json`, which holds the byte offset of every
`WINDOW`-th record, so that a reader starts anywhere in the file at once. A file
that comes without an index, or that is not the one the index describes, is
scanned once.
"""

import contextlib
import dataclasses
import json
import os
import re
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data.records import framing
from data.records.serialization import Serialized
from system import files
from system.errors import UserError, reason_of

# Records between two entries of the index. Small windows shuffle well; at 64,
# ten million records need 156,250 offsets, a 2 MB index.
WINDOW = 64
_CHUNK_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Index:
  """Where the windows of one TFRecord file begin."""

  path: str
  num_records: int
  window: int
  offsets: np.ndarray  # int64 [num_windows], bytes.

  def window_sizes(self) -> np.ndarray:
    """Returns the number of records in each window, int64 [num_windows]."""
    starts = np.arange(len(self.offsets), dtype=np.int64) * self.window
    return np.minimum(self.window, self.num_records - starts)


def index_path(path: str) -> str:
  """Returns the name of a TFRecord file's index."""
  return path + '.index.json'


class RecordWriter:
  """Writes serialized records to one file that appears when it is whole.

  Use as a context manager: on success the file and its index are renamed into
  place; on an exception nothing remains and an earlier file stays untouched.

  Attributes:
    details: what the index is to say besides; JSON values by name.
  """

  def __init__(self, path: str, tidies: bool = True):
    """Begins with no record.

    Args:
      path: the file.
      tidies: whether to remove what killed writers of it left; it takes a look
        at all that is in the folder.
    """
    self.path = path
    self.num_records = 0
    self.details: dict[str, Any] = {}
    self._bytes = 0
    self._offsets: list[int] = []
    self._is_closed = False
    self._tidies = tidies
    self._temporary = files.temporary_name(path)
    self._temporary_index = files.temporary_name(index_path(path))

  def __enter__(self) -> 'RecordWriter':
    self._file = files.create(self._temporary)
    self._append(b'')  # It may be opened lazily; fail here.
    self._remove_abandoned()
    return self

  def write(self, record: bytes) -> None:
    """Appends one serialized record."""
    if self.num_records % WINDOW == 0:
      self._offsets.append(self._bytes)
    self._append(framing.frame_one(record))
    self.num_records += 1

  def write_framed(self, records: Serialized) -> None:
    """Appends records that `framing.frame` has framed."""
    starts = np.concatenate([[0], records.ends[:-1]]) + self._bytes
    self._offsets += starts[-self.num_records % WINDOW :: WINDOW].tolist()
    self._append(records.buffer.tobytes())
    self.num_records += len(records.ends)

  def _append(self, framed: bytes) -> None:
    with files.explained('write', self.path):
      self._file.write(framed)
    self._bytes += len(framed)

  def close(self) -> None:
    """Completes the temporary files, so that only renaming them is left.

    Leaving the context does it; but where several files are to appear together
    or not at all, all are closed before the first context is left.

    Raises:
      UserError: there is no room for what was buffered.
    """
    if self._is_closed:
      return
    with files.explained('write', self.path):
      self._file.close()
    content = {
      'bytes': self._bytes,
      'num_records': self.num_records,
      'offsets': self._offsets,
      'window': WINDOW,
    }
    if self.details:
      content['details'] = self.details
    content['checksum'] = _checksum(content)
    files.write_json(self._temporary_index, content)
    self._is_closed = True

  def __exit__(self, error_type, error, traceback) -> None:
    try:
      if error_type is None:
        self.close()
        self._appear()
      else:
        with contextlib.suppress(tf.errors.OpError, OSError):
          self._file.close()
    finally:
      for path in (self._temporary, self._temporary_index):
        if files.exists(path):
          files.remove(path)

  def _appear(self) -> None:
    # The old index goes first: between the two renames there is none, and a
    # file without an index is scanned.
    if files.exists(index_path(self.path)):
      files.remove(index_path(self.path))
    files.rename(self._temporary, self.path)
    files.rename(self._temporary_index, index_path(self.path))
    # Again: what a run killed an hour ago left was in use when this one began,
    # for all that could be seen.
    self._remove_abandoned()

  def _remove_abandoned(self) -> None:
    if not self._tidies:
      return
    folder, name = os.path.split(self.path)
    files.remove_abandoned(folder, rf'{re.escape(name)}(\.index\.json)?')


def load_index(path: str) -> Index:
  """Reads a TFRecord file's index, or scans the file where it has none.

  Raises:
    UserError: the file is missing, empty, or damaged.
  """
  files.require_file(path, 'a TFRecord file')
  num_bytes = files.size(path)
  if num_bytes == 0:
    raise UserError(f'{path} is empty: it holds no record')
  if files.exists(index_path(path)):
    try:
      stored = files.read_json(index_path(path))
      if stored.get('bytes') == num_bytes:
        return _stored_index(path, stored)
    except (
      UserError,
      AttributeError,
      KeyError,
      TypeError,
      ValueError,
    ) as error:
      logging.warning(
        '%s is damaged and is not used: %s', index_path(path), reason_of(error)
      )
  return scan(path)


def _stored_index(path: str, stored: dict[str, Any]) -> Index:
  """Returns an index that was read; a `ValueError` says what is wrong."""
  checksum = stored.pop('checksum', None)
  # Others may write indexes without one.
  if checksum is not None and checksum != _checksum(stored):
    raise ValueError('its checksum is not that of its content')
  offsets = np.asarray(stored['offsets'], np.int64)
  num_records, window = stored['num_records'], stored['window']
  if not (
    type(num_records) is type(window) is int
    and window > 0
    and offsets.shape == (-(-num_records // window),)
    and offsets[0] == 0
    and np.all(np.diff(offsets) > 0)
    and offsets[-1] < stored['bytes']
  ):
    raise ValueError('its offsets do not go with its number of records')
  return Index(path, num_records, window, offsets)


def _checksum(stored: dict[str, Any]) -> str:
  text = json.dumps(stored, sort_keys=True)
  return f'{zlib.crc32(text.encode()):08x}'


def check_index(index: Index) -> None:
  """Reads a whole file and compares it with an index of it.

  Raises:
    UserError: a record is damaged, or the file is not the one that was indexed.
  """
  found = scan(index.path, index.window)
  if not np.array_equal(found.offsets, index.offsets) or (
    found.num_records != index.num_records
  ):
    raise UserError(
      f'{index.path} has changed since its index was made: it holds '
      f'{found.num_records} records, the index has {index.num_records}. If '
      f'nobody has changed it, {index_path(index.path)} is damaged: remove '
      'that one, and the records are counted anew.'
    )


def scan(path: str, window: int = WINDOW) -> Index:
  """Reads a whole TFRecord file, checks every checksum and builds its index.

  Args:
    path: the file's.
    window: records between two entries of the index.

  Raises:
    UserError: the first damaged record, by file, number and byte offset.
  """
  dataset = tf.data.TFRecordDataset(path, buffer_size=8 << 20)
  lengths: list[np.ndarray] = []
  num_records = 0
  iterator = iter(dataset.map(tf.strings.length).batch(1024))
  while True:
    try:
      batch = next(iterator).numpy()
    except StopIteration:
      break
    except tf.errors.OpError as error:
      raise _damage(path, num_records) from error
    lengths.append(batch)
    num_records += len(batch)
  if not num_records:
    raise UserError(f'{path} is empty: it holds no record')
  ends = np.cumsum(
    np.concatenate(lengths).astype(np.int64) + framing.FRAME_BYTES
  )
  offsets = np.concatenate([[0], ends[:-1]])[::window]
  return Index(path, num_records, window, offsets)


def read(path: str, count: int | None = None) -> Iterator[bytes]:
  """Yields the first `count` serialized records of a file, or all.

  Raises:
    UserError: the file is missing, holds no record, or a record is damaged.
  """
  files.require_file(path, 'a TFRecord file')
  dataset = tf.data.TFRecordDataset(path)
  num_read = 0
  try:
    for record in dataset.take(-1 if count is None else count):
      yield record.numpy()
      num_read += 1
  except tf.errors.OpError as error:
    raise _damage(path, num_read) from error
  if not num_read:
    raise UserError(f'{path} is empty: it holds no record')


def read_framed(path: str) -> Iterator[Serialized]:
  """Yields all records of a file, many at once, as `write_framed` takes them.

  Raises:
    UserError: the file cannot be read or is cut short. No checksum is looked
      at.
  """
  rest = b''
  with files.open_read(path, 'rb') as file, files.explained('read', path):
    while chunk := file.read(_CHUNK_BYTES):
      framed = np.frombuffer(rest + chunk, np.uint8)
      ends = framing.ends_of(framed)
      end = ends[-1] if len(ends) else 0
      yield Serialized(framed[:end], ends)
      rest = framed[end:].tobytes()
  if rest:
    raise UserError(f'{path} is cut short in its last record')


def _damage(path: str, first_unread: int) -> UserError:
  """Finds the first damaged record at or after `first_unread`."""
  number, offset = 0, 0
  try:
    for record in tf.data.TFRecordDataset(path):
      offset += framing.FRAME_BYTES + len(record.numpy())
      number += 1
  except tf.errors.OpError as error:
    return UserError(
      f'{path} is damaged or cut short: record {number} (counted from 0) at '
      f'byte {offset} of {files.size(path)} cannot be read: {reason_of(error)}'
    )
  return UserError(f'{path} cannot be read after record {first_unread}')


def shard_names(path: str, num_shards: int) -> list[str]:
  """Returns `path-00000-of-000NN` for each shard."""
  folder, name = os.path.split(path)
  return [
    os.path.join(folder, f'{name}-{i:05d}-of-{num_shards:05d}')
    for i in range(num_shards)
  ]


def shard_stem(path: str) -> str:
  """Returns `path` without the `-00000-of-000NN` of a shard."""
  return re.sub(r'-\d{5,}-of-\d{5,}$', '', path)


def int64_feature(values) -> tf.train.Feature:
  """Wraps integers for a `tf.train.Example`."""
  return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def float_feature(values) -> tf.train.Feature:
  """Wraps floats for a `tf.train.Example`."""
  return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def bytes_feature(value: bytes) -> tf.train.Feature:
  """Wraps one byte string for a `tf.train.Example`."""
  return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
