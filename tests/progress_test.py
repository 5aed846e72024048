import io

from data.progress import Progress


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
