"""Frames of TFRecord files, against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_records

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


def _ends_of(framed, num_left):
  ends, damage = framing.ends_of(np.frombuffer(framed, np.uint8), num_left)
  return ends.tolist(), damage


_FRAMED = b''.join(map(framing.frame_one, [b'', b'ab', b'x' * 300]))
_ENDS = [16, 16 + 18, 16 + 18 + 316]


def test_ends_of_whole_records_are_found():
  for length in range(len(_FRAMED) + 1):
    found = _ends_of(_FRAMED[:length], len(_FRAMED))
    assert found == ([end for end in _ENDS if end <= length], '')
  assert framing.length_of(_FRAMED[34:]) == 300


@pytest.mark.parametrize(
  ('position', 'damage'),
  [
    (16 + 3, 'its length does not match the checksum of the length'),
    (16 + 9, 'its length does not match the checksum of the length'),
    (16 + 12, 'its bytes do not match their checksum'),
    (16 + 17, 'its bytes do not match their checksum'),
  ],
)
def test_a_flipped_bit_ends_the_intact_records(position, damage):
  content = bytearray(_FRAMED)
  content[position] ^= 1
  assert _ends_of(bytes(content), len(content)) == ([16], damage)


def test_a_length_beyond_the_file_is_damage_whatever_its_checksum():
  beyond = 'its length reaches beyond the end of the file'
  assert _ends_of(_FRAMED, len(_FRAMED) - 1) == (_ENDS[:2], beyond)
  for length in (1 << 62, 1 << 63, (1 << 64) - 1, (1 << 64) - 16):
    content = _FRAMED[:16] + tiny_records.header(length) + b'xxxx'
    assert _ends_of(content, len(content)) == ([16], beyond)
