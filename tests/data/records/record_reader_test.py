"""Reading the records of a file, and naming the damaged one."""

import pytest
import tiny_records

from data.records import framing, record_index
from data.records.record_reader import read, read_framed, read_from
from system.errors import UserError


def test_records_are_read_in_order_all_or_the_first(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 7)
  texts = [b'x', b'xx', b'xxx', b'xxxx', b'xxxxx', b'x', b'xx']
  assert list(read(path)) == texts
  assert list(read(path, 3)) == texts[:3]


def test_the_damaged_record_is_named_after_those_before_it(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 3)
  content = bytearray((tmp_path / 'a').read_bytes())
  content[17 + 12] ^= 1  # The first byte of record 1.
  (tmp_path / 'a').write_bytes(content)
  records = read(path)
  assert next(records) == b'x'
  with pytest.raises(UserError, match='record 1 .* at byte 17 of 54 cannot'):
    next(records)


def test_a_record_larger_than_a_chunk_is_read(tmp_path):
  texts = [b'a' * 3_000_000, b'b', b'c' * 1_100_000, b'd' * 20]
  (tmp_path / 'a').write_bytes(b''.join(map(framing.frame_one, texts)))
  assert list(read(str(tmp_path / 'a'))) == texts
  assert list(read(str(tmp_path / 'a'), 1)) == texts[:1]
  starts = [0, 3_000_016, 3_000_033]
  ends = [*starts[2:], 4_100_049, 4_100_085]
  with open(tmp_path / 'a', 'rb') as file:
    for i, start in enumerate(starts):
      assert read_from(file, 'a', start, 2, ends[i]) == texts[i : i + 2]
    with pytest.raises(UserError, match='found 2 .* byte 3000033 on, .* 3'):
      read_from(file, 'a', starts[2], 3, ends[2])
    expected = 'a: 1 records from byte 0 on end at byte 3000016, expected 30000'
    with pytest.raises(UserError, match=expected):
      read_from(file, 'a', 0, 1, ends[0])


@pytest.mark.parametrize('length', [1000, 1 << 62, (1 << 64) - 1])
def test_a_length_that_the_file_cannot_hold_is_damage(tmp_path, length):
  path = tiny_records.write_texts(tmp_path / 'a', 2)
  with open(path, 'ab') as file:
    file.write(tiny_records.header(length) + b'x')
  expected = 'a is damaged .* record 2 .* byte 35 of 48 .* beyond the end'
  for read_all in (read, read_framed, record_index.scan):
    with pytest.raises(UserError, match=expected):
      list(read_all(path))
  with (
    open(path, 'rb') as file,
    pytest.raises(UserError, match='record 1 .counted from 0 at byte 17. .*35'),
  ):
    read_from(file, path, 17, 64, 48)


def test_a_file_without_records_and_a_missing_one_are_named(tmp_path):
  (tmp_path / 'a').write_bytes(b'')
  with pytest.raises(UserError, match='a is empty: it holds no record'):
    next(read(str(tmp_path / 'a')))
  with pytest.raises(UserError, match="no file '/no/such/file'"):
    next(read('/no/such/file'))


def test_framed_records_are_those_of_the_file(tmp_path):
  path = tiny_records.write_texts(tmp_path / 'a', 3)
  (framed,) = read_framed(path)
  assert framed.buffer.tobytes() == (tmp_path / 'a').read_bytes()
  assert framed.ends.tolist() == [17, 35, 54]
