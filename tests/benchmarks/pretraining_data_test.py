"""benchmarks/pretraining_data.py: what it measures, counts and computes."""

import gzip
import os
import struct
import sys
import textwrap

import comparison
import contest
import processes
import pytest
from comparison import Measurement
from contest import Contestant

from system.errors import UserError


def _python(code):
  return [sys.executable, '-c', textwrap.dedent(code)]


def _measurement(title='a', **values):
  others = {
    'megabytes': 10.0,
    'seconds': 4.0,
    'cpu_seconds': 8.0,
    'peak_megabytes': 100.0,
    'records': 1000,
  }
  return Measurement(title, **others | values)


def _frames(*sizes):
  return b''.join(
    struct.pack('<Q', size) + bytes(4 + size + 4) for size in sizes
  )


def test_memory_is_that_of_all_processes_at_one_time(tmp_path):
  child = 'import time; x = b"x" * 40_000_000; time.sleep(0.5)'
  code = f"""
    import subprocess, sys
    command = [sys.executable, '-c', {child!r}]
    for process in [subprocess.Popen(command) for _ in range(2)]:
      process.wait()
  """
  usage = processes.run(_python(code), str(tmp_path / 'log'))
  assert not usage.failure
  assert 80e6 < usage.peak_bytes < 160e6
  assert usage.seconds > 0.5
  assert usage.cpu_seconds > 0


@pytest.mark.parametrize(
  'code, failure',
  [
    ('print("first\\nlast\\n\\n"); raise SystemExit(3)', 'status 3: last'),
    ('import os; os.kill(os.getpid(), 9)', 'SIGKILL'),
  ],
)
def test_a_failure_is_told_with_the_last_line(tmp_path, code, failure):
  usage = processes.run(_python(code), str(tmp_path / 'log'))
  assert usage.failure == failure


def test_medians_are_taken_of_each_number():
  runs = [
    _measurement(seconds=seconds, peak_megabytes=peak)
    for seconds, peak in [(3.0, 7.0), (1.0, 9.0), (2.0, 8.0)]
  ]
  median = comparison.median(runs)
  assert (median.seconds, median.peak_megabytes) == (2.0, 8.0)


def test_the_table_shows_speeds_and_failures():
  rows = [
    _measurement('ours', records=1234567),
    _measurement('theirs', failure='status 1: no'),
  ]
  _, ours, theirs = comparison.table(rows)
  assert ours.split() == 'ours 10.0 4.0 8.0 1,234,567 308,642 2.50 100'.split()
  assert theirs.split() == 'theirs failed: status 1: no'.split()


def test_ratios_are_taken_within_rounds():
  ours = [_measurement(seconds=seconds) for seconds in (1.0, 2.0, 10.0)]
  theirs = [_measurement(seconds=seconds) for seconds in (3.0, 8.0, 50.0)]
  ratio = comparison.ratios(ours, theirs)
  assert ratio['seconds'] == 4.0
  assert (ratio['seconds_min'], ratio['seconds_max']) == (3.0, 5.0)
  assert ratio['peak_megabytes'] == ratio['records'] == 1.0


def test_growth_leaves_the_start_out():
  rows = [
    _measurement(f'x{n}', megabytes=10.0 * n, seconds=5 + 2.0 * n)
    for n in (1, 2, 4)
  ]
  lines = comparison.growth_lines(rows)
  assert [line.split(': ')[0] for line in lines] == ['x1 to x2', 'x2 to x4']
  assert all('0.200 s for each further MB, 1.00 times' in li for li in lines)


def test_records_are_counted_in_one_file_or_in_shards(tmp_path):
  (tmp_path / 'records.tfrecord-00000-of-00002').write_bytes(_frames(3, 0))
  (tmp_path / 'records.tfrecord-00001-of-00002').write_bytes(_frames(700))
  (tmp_path / 'records.tfrecord.index.json').write_text('{}')
  (tmp_path / 'manifest.json').write_text('{}')
  assert contest.count_records(str(tmp_path)) == 3


@pytest.mark.parametrize(
  'content, message',
  [
    (_frames(3, 5)[:-1], 'records.tfrecord is no whole TFRecord file'),
    (_frames(3) + b'abc', 'records.tfrecord is no whole TFRecord file'),
    (b'', 'it wrote no records'),
  ],
)
def test_what_is_no_whole_file_is_not_counted(tmp_path, content, message):
  (tmp_path / 'records.tfrecord').write_bytes(content)
  with pytest.raises(ValueError, match=message):
    contest.count_records(str(tmp_path))


def test_all_read_the_same_unpacked_text_in_turn_until_one_fails(tmp_path):
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
  with pytest.raises(UserError, match=r'cannot unpack .*/cut\.gz'):
    contest.unpack([str(path)], str(tmp_path))
