"""Tests of system/streams.py."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys

import pyarrow
import pytest

from system import files, streams
from system.errors import UserError

_TEXT = b''.join(b'line %d, %d\n' % (i, i * i) for i in range(1, 50_000))


def _zstd(content):
  sink = pyarrow.BufferOutputStream()
  with pyarrow.CompressedOutputStream(sink, 'zstd') as stream:
    stream.write(content)
  return sink.getvalue().to_pybytes()


_COMPRESS = [gzip.compress, bz2.compress, lzma.compress, _zstd]


def _read(content, on_progress=None):
  opened = io.BytesIO(content)
  blocks = list(streams.read_blocks('a.txt', lambda path: opened, on_progress))
  assert opened.closed
  return blocks


def test_blocks_hold_whole_lines_and_know_their_numbers():
  blocks = _read(_TEXT + b'end')
  assert len(blocks) > 5
  assert b''.join(block.content for block in blocks) == _TEXT + b'end'
  for block in blocks[:-1]:
    assert block.content.startswith(b'line %d,' % block.line)
  assert all(block.content.endswith(b'\n') for block in blocks[:-1])


def test_a_byte_order_mark_is_dropped_and_an_empty_file_has_no_block():
  assert _read(b'') == []
  assert _read(b'\xef\xbb\xbfa\n') == [(1, b'a\n')]


@pytest.mark.parametrize('compress', _COMPRESS)
def test_the_first_bytes_decide_the_compression(compress):
  # Two files in one, as `cat a.gz b.gz` makes them.
  blocks = _read(compress(_TEXT) + compress(b'end'))
  assert b''.join(block.content for block in blocks) == _TEXT + b'end'


def test_zstandard_may_begin_with_a_frame_to_skip():
  # pzstd writes the size of the frame that follows.
  frame = _zstd(_TEXT)
  content = b'\x50\x2a\x4d\x18\x04\0\0\0' + len(frame).to_bytes(4, 'little')
  blocks = _read(content + frame + content + frame)
  assert b''.join(block.content for block in blocks) == _TEXT + _TEXT


def test_plain_text_with_the_name_of_a_compressed_file_gives_one_warning(
  tmp_path, caplog
):
  path = tmp_path / 'a.gz'
  path.write_bytes(b'one\n')
  for _ in range(2):
    assert list(streams.read_blocks(str(path))) == [(1, b'one\n')]
  path.with_name('b.gz').write_bytes(gzip.compress(b'one\n'))
  list(streams.read_blocks(str(path.with_name('b.gz'))))
  (message,) = caplog.messages
  assert message.startswith(f'{path} is named as a compressed file, but is')


@pytest.mark.parametrize('compress', _COMPRESS)
def test_a_file_that_was_cut_short_is_named(compress):
  whole = compress(_TEXT)
  for length in (len(whole) - 1, len(whole) // 2, 7):
    with pytest.raises(UserError, match=r'a.txt is damaged or cut short after'):
      _read(whole[:length])


def test_damage_is_located_after_the_last_intact_block():
  content = gzip.compress(_TEXT)[:-8] + b'\0' * 8
  blocks = []
  with pytest.raises(UserError) as error:
    for block in streams.read_blocks('a', lambda path: io.BytesIO(content)):
      blocks.append(block)
  last = blocks[-1].line + blocks[-1].content.count(b'\n') - 1
  assert f'after line {last}: CRC check failed' in str(error.value)


def test_a_line_that_is_too_long_is_left_out_and_counted(monkeypatch):
  monkeypatch.setattr(streams, 'BLOCK_BYTES', 10)
  monkeypatch.setattr(streams, 'MAX_LINE_BYTES', 25)
  fits, too_long = b'x' * 24 + b'\n', b'y' * 25 + b'\n'
  huge = b'z' * 1000 + b'\n'
  content = fits + too_long + b'a\n' + huge + huge + fits + b'z' * 26
  assert [number for number, block in _read(content) if block is None] == [
    *[2, 4, 5, 7]
  ]
  kept = b''.join(block.content or b'' for block in _read(content))
  assert kept == fits + b'a\n' + fits


@pytest.mark.parametrize('compress', [bytes, gzip.compress])
def test_lines_that_end_with_carriage_returns_alone_are_refused(
  monkeypatch, compress
):
  monkeypatch.setattr(streams, 'BLOCK_BYTES', 10)
  message = 'a.txt has 3 carriage returns and no line feed in its first 8 bytes'
  with pytest.raises(UserError, match=message):
    _read(compress(b'a\rb\rc\rde'))
  monkeypatch.setattr(streams, 'MAX_LINE_BYTES', 25)
  message = 'has 14 carriage returns and no line feed in its first 30 bytes'
  with pytest.raises(UserError, match=message):
    _read(compress(b'a\r' * 500))


@pytest.mark.parametrize('text', [b'a\r', b'a\rb\n', b'a\r\nb\rc', b'\r\r'])
def test_other_carriage_returns_are_kept(text):
  assert b''.join(block.content for block in _read(text)) == text


def test_progress_is_reported():
  positions = []
  _read(_TEXT, positions.append)
  assert positions == sorted(positions)
  assert positions[-1] == len(_TEXT)


def test_local_files_are_found_and_read_without_tensorflow(tmp_path):
  files.write_text(f'{tmp_path}/a.txt', 'a\n')
  code = (
    'import sys\n'
    'from data.text import corpus, corpus_options, survey\n'
    f"options = corpus_options.CorpusOptions('{tmp_path}/*.txt')\n"
    'found = corpus.Corpus(options)\n'
    'print(survey.survey(found)[0].num_documents)\n'
    "print([name for name in sys.modules if name.startswith('tensorflow')])\n"
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True
  )
  assert done.stdout == '1\n[]\n', done.stderr
