"""Reads the serialized records of a TFRecord file in order."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from data.records import framing
from data.records.dataset_options import OPTIONS
from data.records.serialization import Serialized
from system import file_systems, files
from system.errors import UserError, reason_of

_CHUNK_BYTES = 16 << 20


def read(path: str, count: int | None = None) -> Iterator[bytes]:
  """Yields the first `count` serialized records of a file, or all.

  Raises:
    UserError: the file is missing, holds no record, or a record is damaged.
  """
  files.require_file(path, 'a TFRecord file')
  dataset = tf.data.TFRecordDataset(path).with_options(OPTIONS)
  num_read = 0
  try:
    for record in dataset.take(-1 if count is None else count):
      yield record.numpy()
      num_read += 1
  except tf.errors.OpError as error:
    raise damage(path, num_read) from error
  if not num_read:
    raise UserError(f'{path} is empty: it holds no record')


def read_framed(path: str) -> Iterator[Serialized]:
  """Yields all records of a file in large chunks, frames included.

  `RecordWriter.write_framed` takes such chunks. Checksums are not verified.

  Raises:
    UserError: the file cannot be read or is cut short.
  """
  rest = b''
  with (
    files.open_read(path, 'rb') as file,
    file_systems.explained('read', path),
  ):
    while chunk := file.read(_CHUNK_BYTES):
      framed = np.frombuffer(rest + chunk, np.uint8)
      ends = framing.ends_of(framed)
      end = ends[-1] if len(ends) else 0
      yield Serialized(framed[:end], ends)
      rest = framed[end:].tobytes()
  if rest:
    raise UserError(f'{path} is cut short in its last record')


def damage(path: str, num_read: int) -> UserError:
  """Returns the error that names the first damaged record of a file.

  Args:
    path: a file in which reading failed.
    num_read: how many records were read before; the error names it if the file
      can now be read to its end.
  """
  number, offset = 0, 0
  try:
    for record in tf.data.TFRecordDataset(path).with_options(OPTIONS):
      offset += framing.FRAME_BYTES + len(record.numpy())
      number += 1
  except tf.errors.OpError as error:
    return UserError(
      f'{path} is damaged or cut short: record {number} (counted from 0) at '
      f'byte {offset} of {files.size(path)} cannot be read: {reason_of(error)}'
    )
  return UserError(f'{path} cannot be read after record {num_read}')
