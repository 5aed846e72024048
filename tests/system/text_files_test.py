"""Tests of system/text_files.py."""

import gzip

import pytest
import tensorflow as tf

from system import text_files
from system.errors import UserError
from system.text_files import read_lines


def _write(path, content):
  path.write_bytes(content)
  return str(path)


def test_read_lines_cuts_at_line_ends_only(tmp_path):
  text = 'a\u2028b\u2029c\u0085d\x0b\x0c\x1c\re'
  path = _write(tmp_path / 'x', f'{text}\r\n{text}\n\n{text}'.encode())
  assert list(read_lines(path)) == [text, text, '', text]


def test_read_lines_names_the_line_that_is_not_utf8(tmp_path):
  path = _write(tmp_path / 'x.gz', gzip.compress(b'a\n\nb\xff\n'))
  with pytest.raises(UserError, match='x.gz, line 3: .*0xff at byte 1'):
    list(read_lines(path))


def test_utf_16_is_recognised(tmp_path):
  (tmp_path / 'a').write_text('a', encoding='utf-16')
  with pytest.raises(UserError, match='Is it UTF-16. Save it as UTF-8'):
    list(text_files.read_lines(str(tmp_path / 'a')))


def test_read_lines_is_lazy(tmp_path):
  lines = read_lines(_write(tmp_path / 'x', b'a\n' + b'\xff' * 10))
  assert next(lines) == 'a'


def test_read_lines_joins_gzip_members_and_keeps_empty_lines(tmp_path):
  members = gzip.compress('\ufeffa\n\nb'.encode()) + gzip.compress(b'c\r\n')
  assert list(read_lines(_write(tmp_path / 'x', members))) == ['a', '', 'bc']
  assert list(read_lines(_write(tmp_path / 'empty', b''))) == []


def test_read_lines_names_a_damaged_file(tmp_path):
  whole = gzip.compress(b''.join(b'%d\n' % (i * i) for i in range(5000)))
  cut = _write(tmp_path / 'cut.gz', whole[: len(whole) // 2])
  with pytest.raises(UserError, match=r'cut.gz is damaged .* after line \d+'):
    list(read_lines(cut))
  flipped = _write(tmp_path / 'crc.gz', whole[:-8] + b'\0' * 8)
  with pytest.raises(UserError, match='crc.gz is damaged'):
    list(read_lines(flipped))
  with pytest.raises(UserError, match='cannot read'):
    list(read_lines(str(tmp_path)))


def test_read_lines_reads_remote_files():
  with tf.io.gfile.GFile('ram://tasks_test/a.gz', 'wb') as file:
    file.write(gzip.compress('über\n'.encode()))
  assert list(read_lines('ram://tasks_test/a.gz')) == ['über']


def test_only_the_blank_lines_at_the_end_are_left_out():
  lines = ['', 'a', ' ', 'b', '\t', '', ' ']
  assert [*text_files.without_blank_end(lines)] == lines[:5]
  assert not [*text_files.without_blank_end(['', ' '])]


def test_text_that_utf8_cannot_hold_is_named():
  text_files.check_encodable(['a', None, '\U0001f600'], 'f, line 2')
  with pytest.raises(
    UserError, match=r"f, line 2: .*'\\ud83d', at character 1"
  ):
    text_files.check_encodable(['a', 'b\ud83dc'], 'f, line 2')


def test_a_list_ends_before_empty_lines(tmp_path):
  path = tmp_path / 'labels.txt'
  path.write_text('a\n\n b \n\n\n')
  assert text_files.read_list(str(path)) == ['a', '', ' b ']
  path.write_text('\n')
  assert text_files.read_list(str(path)) == []
