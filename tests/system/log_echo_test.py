"""What a command writes to its log is printed, and silence is broken."""

import io
import subprocess
import sys

from system import log_echo
from system.log_echo import LogEcho


def test_the_prefix_of_absl_is_left_out():
  prefix = '1127 09:54:38.123456 140485376681792 fit.py:33] '
  assert log_echo.plain(f'I{prefix}Step 10') == 'Step 10'
  assert log_echo.plain(f'W{prefix}Cut') == 'WARNING: Cut'
  assert log_echo.plain('ERROR: no') == 'ERROR: no'


def test_new_lines_are_printed_once_they_are_whole(tmp_path):
  path, stream = tmp_path / 'log', io.StringIO()
  path.write_text('old\n')
  echo = LogEcho(str(path), 'x', path.stat().st_size, stream)
  path.write_text('old\none\ntw')
  echo.look()
  assert stream.getvalue() == '    one\n'
  path.write_text('old\none\ntwo\nthr')
  echo.look()
  echo.look(is_last=True)
  assert stream.getvalue() == '    one\n    two\n    thr\n'


def test_a_silent_command_is_said_to_run(tmp_path):
  path, stream, now = tmp_path / 'log', io.StringIO(), [0.0]
  path.touch()
  echo = LogEcho(str(path), 'teacher', 0, stream, lambda: now[0])
  for now[0] in (10.0, 19.0, 20.0, 30.0, 40.0):
    echo.look()
  assert stream.getvalue() == (
    '    (teacher has run for 20 s)\n    (teacher has run for 40 s)\n'
  )


def test_a_command_is_followed_to_its_end(tmp_path):
  path, stream = tmp_path / 'log', io.StringIO()
  code = 'import sys, time; print(1, flush=True); time.sleep(1); sys.exit(7)'
  with path.open('wb') as file:
    process = subprocess.Popen([sys.executable, '-c', code], stdout=file)
  assert LogEcho(str(path), 'x', 0, stream).follow(process) == 7
  assert stream.getvalue() == '    1\n'
