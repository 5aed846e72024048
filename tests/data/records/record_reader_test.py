"""Reading the records of a file, and naming the damaged one."""

import pytest
import tiny_records

from data.records.record_reader import read, read_framed
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
