"""Tests of system/progress.py."""

import io
import itertools
import re
import time

import pytest
from absl import flags, logging

from system.progress import Progress, announced


class Clock:
  def __init__(self):
    self.now = 100.0

  def __call__(self) -> float:
    return self.now


class Terminal(io.StringIO):
  def isatty(self) -> bool:
    return True


def test_log_gets_a_line_every_ten_seconds():
  clock, log = Clock(), io.StringIO()
  with Progress(20_000_000, 'B', log, clock) as progress:
    for _ in range(25):
      clock.now += 1
      progress.update(200_000 * (clock.now - 100), '3 documents')
  assert log.getvalue() == (
    '10 % of 20.0MB, 3 documents, 01:30 left\n'
    '20 % of 20.0MB, 3 documents, 01:20 left\n'
  )


def test_log_shows_counts_in_full():
  clock, log = Clock(), io.StringIO()
  with Progress(1500, ' examples', log, clock) as progress:
    clock.now += 10
    progress.update(375)
  assert log.getvalue() == '25 % of 1,500 examples, 00:30 left\n'


def test_short_job_leaves_no_line():
  log = io.StringIO()
  with Progress(10, 'B', log, Clock()) as progress:
    progress.update(10)
  assert log.getvalue() == ''


def test_estimate_that_was_too_low_ends_at_100_percent():
  clock, log = Clock(), io.StringIO()
  with Progress(10, 'B', log, clock) as progress:
    clock.now += 10
    progress.update(15)
  assert log.getvalue() == '100 % of 10.0B, 00:00 left\n'


def test_terminal_gets_a_bar():
  terminal = Terminal()
  with Progress(100, 'B', terminal) as progress:
    progress.update(50, '3 documents')
    progress.update(100, '6 documents')
  assert '100%' in terminal.getvalue()
  assert '6 documents' in terminal.getvalue()


def test_terminal_without_a_size_gets_a_bar():
  # StringIO has no file descriptor, so no size.
  terminal = Terminal()
  with Progress(100, ' steps', terminal, initial=40) as progress:
    progress.update(70)
  assert ' 40/100 [' in terminal.getvalue()
  assert ' 70/100 [' in terminal.getvalue()


def test_time_left_ignores_what_an_earlier_run_did():
  clock, log = Clock(), io.StringIO()
  with Progress(100, ' steps', log, clock, initial=40) as progress:
    clock.now += 20
    progress.update(60)  # 20 steps in 20 s; 40 remain.
  assert log.getvalue() == '60 % of 100 steps, 00:40 left\n'


def test_log_lines_do_not_tear_the_bars():
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()  # Before that Absl logs to sys.stderr.
  handler = logging.get_absl_handler().python_handler
  terminal = Terminal()
  before = handler.setStream(terminal)
  try:
    with Progress(9, ' steps', terminal) as outer:
      outer.update(3, 'loss 0.5')
      with Progress(7, ' examples', terminal) as inner:
        inner.update(7)
        handler.handle(_record('above both'))
      handler.handle(_record('above one'))
    handler.handle(_record('after all'))
    assert handler.stream is terminal
  finally:
    handler.setStream(before)
  text = terminal.getvalue()
  for line in ('above both\n', 'above one\n', 'after all\n'):
    # The bar before it on the terminal's line is overwritten with spaces.
    start = text[: text.index(line)].split('\n')[-1].split('\r')[-1]
    assert re.fullmatch(r'(\x1b\[A| )*I\d{4} \S+ \d+ x.py:1] ', start), start
  # The inner bar is removed; the outer bar keeps its last state.
  last = text[text.index('after all') - 200 : text.index('after all')]
  assert '3/9 [' in last and '7/7' not in last.split('\n')[-2]


def _record(message):
  return logging.get_absl_logger().makeRecord(
    'absl', logging.INFO, 'x.py', 1, message, (), None
  )


def test_work_that_takes_long_is_announced_while_it_lasts(caplog):
  caplog.set_level('INFO', logger='absl')
  # It is read at the start, for each line and at the end.
  clock = itertools.count(0, 7).__next__
  with announced('Tracing the step', first=0.0, between=0.01, clock=clock):
    deadline = time.monotonic() + 60.0
    while len(caplog.messages) < 3 and time.monotonic() < deadline:
      time.sleep(0.001)
  *lines, end = caplog.messages
  assert lines[:3] == [
    'Tracing the step ...',
    'Tracing the step ... (14 s so far)',
    'Tracing the step ... (21 s so far)',
  ]
  assert end == f'Tracing the step: done in {7 * (len(lines) + 1)} s.'


def test_short_work_is_not_announced(caplog):
  caplog.set_level('INFO', logger='absl')
  with announced('Tracing the step'):
    pass
  assert caplog.messages == []


def test_work_that_fails_is_not_called_done(caplog):
  caplog.set_level('INFO', logger='absl')
  with (
    pytest.raises(KeyError),
    announced('Tracing the step', first=0.0, between=60.0),
  ):
    while not caplog.messages:
      time.sleep(0.01)
    raise KeyError
  assert caplog.messages == ['Tracing the step ...']
