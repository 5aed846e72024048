"""How scripts end: statuses and the last line."""

import os
import signal
import subprocess
import sys
import time

import pytest

# In C and without the interpreter's lock, as a device's loop.
_BUSY = "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
_LINE = (
  'INTERRUPTED: what was saved is whole; the same command goes on from it\n'
)


def _start(body: str) -> subprocess.Popen:
  program = (
    'import hashlib, time; from cli import interrupt, script\n'
    'interrupt._PATIENCE = 0.2\n'
    f'script.run(lambda _: (print("begun", flush=True), {body}))'
  )
  process = subprocess.Popen(
    [sys.executable, '-c', program],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'begun\n'
  return process


@pytest.mark.parametrize('body', ['time.sleep(60)', _BUSY])
def test_ctrl_c_ends_a_script_soon_with_one_line(body):
  process = _start(body)
  started = time.monotonic()
  process.send_signal(signal.SIGINT)
  assert process.stderr.read() == _LINE
  assert process.wait() == 130
  assert time.monotonic() - started < 20


def test_a_termination_signal_ends_a_script_as_any_process():
  process = _start('time.sleep(60)')
  process.send_signal(signal.SIGTERM)
  assert process.wait() == -signal.SIGTERM  # A shell says 143.


@pytest.mark.parametrize(
  ('script', 'flag', 'message'),
  [
    ('run_classifier', '--nope', "Unknown command line flag 'nope'"),
    ('run_pretraining', '--do_trian', "Unknown command line flag 'do_trian'"),
    (
      'run_distillation',
      '--temperature=0',
      'flag --temperature=0: 0.0 is not number >= 0.01',
    ),
    (
      'run_classifier',
      '--optimizer=sgd',
      'flag --optimizer=sgd: value should be one of <adamw|lamb>',
    ),
  ],
)
def test_illegal_flags_are_one_line_and_status_1(script, flag, message):
  done = subprocess.run(
    [sys.executable, f'{script}.py', flag], capture_output=True, text=True
  )
  assert done.returncode == 1
  assert done.stderr.startswith(f'ERROR: {message}')
  assert done.stderr.count(os.linesep) == 1
  assert not done.stdout


def test_help_is_no_failure():
  done = subprocess.run(
    [sys.executable, 'run_pretraining.py', '--help'],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0
  assert '--from_run:' in done.stdout
