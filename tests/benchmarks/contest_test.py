"""Programs that read the same text alternately, and their records."""

import gzip
import os
import struct
import sys
import textwrap

import pytest

from benchmarks import contest
from benchmarks.contest import Contestant
from system.errors import UserError


def _python(code):
  return [sys.executable, '-c', textwrap.dedent(code)]


def _frames(*sizes):
  return b''.join(
    struct.pack('<Q', size) + bytes(4 + size + 4) for size in sizes
  )


def test_records_are_counted_in_one_file_or_in_shards(tmp_path):
  (tmp_path / 'records.tfrecord-00000-of-00002').write_bytes(_frames(3, 0))
  (tmp_path / 'records.tfrecord-00001-of-00002').write_bytes(_frames(700))
  (tmp_path / 'records.tfrecord.index.json').write_text('{}')
  (tmp_path / 'manifest.json').write_text('{}')
  assert contest.count_records(str(tmp_path)) == 3


@pytest.mark.parametrize(
  'content, message',
  [
    (_frames(3, 5)[:-1], 'records.tfrecord is not a complete TFRecord file'),
    (_frames(3) + b'abc', 'records.tfrecord is not a complete TFRecord file'),
    (b'', 'it wrote no records'),
  ],
)
def test_incomplete_files_are_rejected(tmp_path, content, message):
  (tmp_path / 'records.tfrecord').write_bytes(content)
  with pytest.raises(ValueError, match=message):
    contest.count_records(str(tmp_path))


def test_contestants_alternate_until_one_fails(tmp_path):
  (tmp_path / 'a.gz').write_bytes(gzip.compress(b'one\n'))
  (tmp_path / 'b').write_bytes(b'two\n')
  folder = tmp_path / 'work'
  folder.mkdir()
  inputs = contest.unpack([str(tmp_path / n) for n in ('a.gz', 'b')], folder)
  # Writes a record as long as its input.
  code = """
    import struct, sys
    flags = dict(argument[2:].split('=') for argument in sys.argv[1:])
    text = ''.join(open(path).read() for path in flags['input_file'].split(','))
    with open(flags['output_file'], 'wb') as file:
      file.write(struct.pack('<Q', len(text)) + bytes(8 + len(text)))
  """
  contestants = [
    Contestant('broken', _python('print(1 / 0)'), inputs),
    Contestant('good', _python(code), contest.repeat(inputs, 3)),
  ]
  reports = []
  broken, good = contest.compare(
    contestants, 2, str(folder), lambda results: reports.append(results[1][:])
  )
  assert [run.failure for run in broken] == [
    'status 1: ZeroDivisionError: division by zero'
  ]
  assert [run.records for run in good] == [1, 1]
  assert good[0].megabytes == 3 * 8 / 1e6
  assert reports == [good[:1], good]
  assert sum(map(os.path.isdir, folder.iterdir())) == 0


def test_damaged_gzip_is_named(tmp_path):
  path = tmp_path / 'cut.gz'
  path.write_bytes(gzip.compress(b'one\n' * 100)[:-9])
  with pytest.raises(UserError, match=r'/cut\.gz'):
    contest.unpack([str(path)], str(tmp_path))
