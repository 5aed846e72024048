"""Writes a TFRecord file and its index; both appear only when complete."""

import contextlib
import os
import re
from typing import Any

import numpy as np
import tensorflow as tf

from data.records import framing, record_index
from data.records.file_names import index_path
from data.records.record_index import WINDOW
from data.records.serialization import Serialized
from system import file_systems, files, temporary_files


class RecordWriter:
  """Writes serialized records to temporary files and renames them at the end.

  Use it as a context manager. On success it renames the file and its index into
  place; on an exception it removes them and leaves an earlier file untouched.

  Attributes:
    details: JSON values by name that are stored in the index.
  """

  def __init__(self, path: str, tidies: bool = True):
    """Creates a writer; entering the context creates the file.

    Args:
      path: the file.
      tidies: whether to remove temporary files that killed writers of `path`
        left. This lists the whole folder.
    """
    self.path = path
    self.num_records = 0
    self.details: dict[str, Any] = {}
    self._num_bytes = 0
    self._offsets: list[int] = []
    self._is_closed = False
    self._tidies = tidies
    self._temporary = temporary_files.name_for(path)
    self._temporary_index = temporary_files.name_for(index_path(path))

  def __enter__(self) -> 'RecordWriter':
    self._file = files.create(self._temporary)
    # Some file systems open the file at the first write; fail now.
    self._append(b'')
    self._remove_abandoned()
    return self

  def write(self, record: bytes) -> None:
    """Appends one serialized record."""
    if self.num_records % WINDOW == 0:
      self._offsets.append(self._num_bytes)
    self._append(framing.frame_one(record))
    self.num_records += 1

  def write_framed(self, records: Serialized) -> None:
    """Appends records that `framing.frame` has framed."""
    starts = np.concatenate([[0], records.ends[:-1]]) + self._num_bytes
    self._offsets += starts[-self.num_records % WINDOW :: WINDOW].tolist()
    self._append(memoryview(records.buffer))
    self.num_records += len(records.ends)

  def _append(self, framed: bytes | memoryview) -> None:
    with file_systems.explained('write', self.path):
      self._file.write(framed)
    self._num_bytes += len(framed)

  def close(self) -> None:
    """Completes the temporary files; only renaming them remains.

    Leaving the context closes the writer. To publish several files together,
    close all writers before leaving the first context.

    Raises:
      UserError: there is no room for the buffered data.
    """
    if self._is_closed:
      return
    with file_systems.explained('write', self.path):
      self._file.close()
    record_index.write_index(
      self._temporary_index,
      self._num_bytes,
      self.num_records,
      self._offsets,
      self.details,
    )
    self._is_closed = True

  def __exit__(self, error_type, error, traceback) -> None:
    try:
      if error_type is None:
        self.close()
        self._publish()
      else:
        with contextlib.suppress(tf.errors.OpError, OSError):
          self._file.close()
    finally:
      for path in (self._temporary, self._temporary_index):
        if files.exists(path):
          files.remove(path)

  def _publish(self) -> None:
    publish(self._temporary, self._temporary_index, self.path)
    # Once more: temporary files that looked in use at the start may be old
    # enough now.
    self._remove_abandoned()

  def _remove_abandoned(self) -> None:
    if not self._tidies:
      return
    folder, name = os.path.split(self.path)
    temporary_files.remove_abandoned(
      folder, rf'{re.escape(name)}(\.index\.json)?'
    )


def publish(file: str, index: str, path: str) -> None:
  """Renames a record file and its index to their final names.

  Args:
    file: the file's temporary name.
    index: that of its index.
    path: the file's final name; an older file there is replaced.
  """
  # Remove the old index first: a reader between the two renames then finds a
  # file without an index and scans it.
  if files.exists(index_path(path)):
    files.remove(index_path(path))
  files.rename(file, path)
  files.rename(index, index_path(path))
