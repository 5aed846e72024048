"""Small classifier records, numbered by their labels."""

import os

import numpy as np

from data.records import feature_spec, framing, record_index
from data.records.record_source import RecordSource
from data.records.record_writer import RecordWriter
from data.records.serialization import serialize
from data.records.training_order import TrainingOrder

MAX_SEQ_LENGTH = 24


def write(path: str | os.PathLike, lengths, first: int = 0) -> str:
  """Writes a record for each length; `label_ids` count from `first`.

  Every token is 7.
  """
  lengths = np.asarray(lengths)
  mask = (np.arange(MAX_SEQ_LENGTH) < lengths[:, np.newaxis]).astype(np.int64)
  numbers = first + np.arange(len(lengths))[:, np.newaxis]
  columns = {
    'input_ids': mask * 7,
    'input_mask': mask,
    'segment_ids': mask * 0,
    'label_ids': numbers,
    'is_real_example': np.ones_like(numbers),
  }
  with RecordWriter(str(path)) as writer:
    for record in serialize(columns, feature_spec.CLASSIFIER).to_list():
      writer.write(record)
  return str(path)


def two_files(folder) -> RecordSource:
  """Writes 90 records of random lengths to `a` and 60 to `b`."""
  rng = np.random.default_rng(0)
  lengths = rng.integers(3, MAX_SEQ_LENGTH + 1, 150)
  return source(
    write(folder / 'a', lengths[:90]), write(folder / 'b', lengths[90:], 90)
  )


def source(*paths: str, max_seq_length: int = MAX_SEQ_LENGTH) -> RecordSource:
  """Returns the records of files that `write` wrote."""
  dims = {'S': max_seq_length, 'C': 150}
  return RecordSource(paths, feature_spec.CLASSIFIER, dims, vocab_size=10)


def order(records: RecordSource, batch_size: int, seed: int = 1):
  """Returns the training order of records."""
  indexes = [record_index.load_index(path) for path in records.paths]
  return TrainingOrder(indexes, batch_size, seed)


def header(length: int) -> bytes:
  """Returns the header of a record of any length, its checksum included."""
  # A frame's last bytes are the record and its checksum.
  frame = framing.frame_one(length.to_bytes(8, 'little'))
  return frame[framing.HEADER_BYTES :]


def write_texts(path: str | os.PathLike, count: int) -> str:
  """Writes records of 1, 2, 3, 4, 5, 1, 2, ... bytes `x`."""
  with RecordWriter(str(path)) as writer:
    for i in range(count):
      writer.write(b'x' * (i % 5 + 1))
  return str(path)
