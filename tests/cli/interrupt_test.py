"""How scripts end: exit statuses and the last line."""

import os
import signal
import subprocess
import sys
import time

import pytest

# Runs in C without the interpreter's lock, like a device's loop.
_BUSY = "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
_LINE = (
  'INTERRUPTED: saved files are intact; the same command resumes from there\n'
)
_STOPPING = (
  'STOPPING: saves at the next step; a second signal ends it at once\n'
)
# A run that checks after each step whether it was asked to stop.
_RUN = """
import hashlib, os, signal, sys, threading, time
from cli import interrupt, script
from system.errors import Stopped
from system import stop_request

interrupt._CLEANUP_SECONDS = 0.2

def begin():
  print('begun', flush=True)

def fork():
  begin()
  reader, writer = os.pipe()
  if not (child := os.fork()):
    os.write(writer, b'.')  # The child's own handlers are set.
    time.sleep(60)
  os.read(reader, 1)
  os.kill(child, signal.SIGTERM)
  print(os.waitpid(child, 0)[1])
  time.sleep(4 * interrupt._CLEANUP_SECONDS)

def train(step):
  asked = threading.Event()
  with stop_request.listener(asked.set):
    while not asked.is_set():
      begin()
      step()
    raise Stopped('saved at step 7')

def cannot_be_asked():
  def refuse():
    raise RuntimeError('the device is gone')

  with stop_request.listener(refuse):
    begin()
    time.sleep(60)

def end_late(step):
  try:
    train(step)
  finally:
    print('ending', flush=True)
    sys.stdin.readline()
"""


def _start(body: str) -> subprocess.Popen:
  program = f'{_RUN}\nscript.run(lambda _: {body})'
  process = subprocess.Popen(
    [sys.executable, '-c', program],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'begun\n'
  return process


@pytest.mark.parametrize(
  ('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 75)]
)
@pytest.mark.parametrize('body', ['time.sleep(60)', _BUSY])
def test_a_signal_ends_a_script_soon_with_one_line(body, number, status):
  process = _start(f'(begin(), {body})')
  started = time.monotonic()
  process.send_signal(number)
  assert process.stderr.read() == _LINE
  assert process.wait() == status
  assert time.monotonic() - started < 20


@pytest.mark.parametrize(
  ('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 75)]
)
def test_a_run_that_trains_ends_when_it_has_saved(number, status):
  process = _start('train(lambda: time.sleep(0.01))')
  process.send_signal(number)
  expected = 'STOPPED: saved at step 7; the same command resumes from there\n'
  assert process.stderr.read() == _STOPPING + expected
  assert process.wait() == status


def test_a_signal_to_a_child_does_not_end_its_parent():
  process = _start('fork()')
  assert process.stderr.read() == ''
  assert process.wait() == 0
  assert process.stdout.read() == f'{int(signal.SIGTERM)}\n'


# During the step, and when the run has stopped and the script is ending.
@pytest.mark.parametrize(
  'body', ['train(sys.stdin.readline)', 'end_late(lambda: time.sleep(0.01))']
)
def test_a_scheduler_may_repeat_its_sigterm(body):
  process = _start(body)
  process.send_signal(signal.SIGTERM)
  assert process.stderr.readline() == _STOPPING
  if 'late' in body:
    assert 'ending\n' in iter(process.stdout.readline, '')
  process.send_signal(signal.SIGTERM)
  # As soon as the signal is pending, the process handles it before anything
  # else: a line on its input ends the step.
  process.stdin.write('\n')
  process.stdin.close()
  expected = 'STOPPED: saved at step 7; the same command resumes from there\n'
  assert process.stderr.read() == expected
  assert process.wait() == 75


def test_a_run_that_is_asked_twice_ends_at_once():
  process = _start(f'train(lambda: {_BUSY})')
  process.send_signal(signal.SIGTERM)
  assert process.stderr.readline() == _STOPPING
  process.send_signal(signal.SIGINT)
  assert process.stderr.read() == _LINE
  assert process.wait() == 130


def test_a_run_that_cannot_be_asked_ends_at_the_second_signal():
  process = _start('cannot_be_asked()')
  process.send_signal(signal.SIGTERM)
  assert process.stderr.readline() == _STOPPING
  refusal = 'The run cannot be asked to stop: the device is gone\n'
  assert process.stderr.readline() == refusal
  process.send_signal(signal.SIGINT)
  assert process.stderr.read() == _LINE
  assert process.wait() == 130


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


def test_help_ends_with_status_0():
  done = subprocess.run(
    [sys.executable, 'run_pretraining.py', '--help'],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0
  assert '--from_run:' in done.stdout
