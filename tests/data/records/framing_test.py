"""Frames of TFRecord files, against TensorFlow's own."""

import numpy as np
import tensorflow as tf

from data.records import framing
from data.records.serialization import Serialized


def test_tensorflow_reads_and_writes_the_same_frames(tmp_path):
  rng = np.random.default_rng(0)
  # Lengths around the eight bytes that a step of the checksum takes.
  records = [rng.bytes(length) for length in [*range(20), 1000]]
  path = str(tmp_path / 'expected')
  with tf.io.TFRecordWriter(path) as writer:
    for record in records:
      writer.write(record)
  expected = (tmp_path / 'expected').read_bytes()
  buffer = np.frombuffer(b''.join(records), np.uint8)
  ends = np.cumsum([*map(len, records)])
  framed = framing.frame(Serialized(buffer, ends))
  assert framed.buffer.tobytes() == expected
  assert b''.join(map(framing.frame_one, records)) == expected
  assert framed.ends[-1] == len(expected)


def test_no_records_need_no_frames():
  nothing = Serialized(np.zeros(0, np.uint8), np.zeros(0, np.int64))
  assert framing.frame(nothing).to_list() == []


def test_ends_of_whole_records_are_found():
  records = [b'', b'ab', b'x' * 300]
  framed = b''.join(map(framing.frame_one, records))
  ends = [16, 16 + 18, 16 + 18 + 316]
  for length in range(len(framed) + 1):
    found = framing.ends_of(np.frombuffer(framed[:length], np.uint8))
    assert found.tolist() == [end for end in ends if end <= length]
  nonsense = np.full(40, 0xFF, np.uint8)
  assert framing.ends_of(nonsense).tolist() == []
