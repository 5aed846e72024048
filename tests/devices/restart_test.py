"""Tests of devices/restart.py: restarts, and when a process gives up."""

import pathlib
import socket
import subprocess
import sys

import pytest
from absl import logging

from cli import script
from devices import restart
from system import stop_request
from system.errors import LostWorker, Stopped

_SCRIPT = """
import os, pathlib, socket, sys, time
from devices import restart
starts = pathlib.Path(sys.argv[1])
starts.write_text(starts.read_text() + str(os.getpid()) + ' ')
time.sleep = lambda seconds: None
with socket.socket() as port:
  os.set_inheritable(port.fileno(), True)
  port.bind(('127.0.0.1', int(sys.argv[2])))
  port.listen()
  if len(starts.read_text().split()) == 3:
    os.environ[restart._LOST_SINCE] = '0'
  restart.restart_or_exit('no reason')
"""


def test_a_process_replaces_itself_until_it_gives_up(
  tmp_path: pathlib.Path,
):
  starts = tmp_path / 'starts'
  starts.write_text('')
  (tmp_path / 'script.py').write_text(_SCRIPT)
  with socket.create_server(('127.0.0.1', 0)) as free:
    port = str(free.getsockname()[1])
  # Binding the port again fails if the last process still held it.
  done = subprocess.run(
    [sys.executable, tmp_path / 'script.py', starts, port],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 75, done.stderr
  numbers = starts.read_text().split()
  assert len(numbers) == 3 and len(set(numbers)) == 1
  assert 'Start all workers again' in done.stderr


def test_progress_resets_the_patience(monkeypatch):
  monkeypatch.setenv(restart._LOST_SINCE, '0')
  restart.note_progress()
  started = []
  monkeypatch.setattr(restart.time, 'sleep', lambda seconds: None)
  monkeypatch.setattr(restart.os, 'listdir', lambda folder: [])
  monkeypatch.setattr(restart.os, 'execv', lambda *args: started.append(args))
  restart.restart_or_exit('')
  assert started == [(sys.executable, [sys.executable, *sys.orig_argv[1:]])]
  monkeypatch.delenv(restart._LOST_SINCE)


def _run(main, monkeypatch):
  """Runs a script's main; returns the reasons why it would have restarted."""
  reasons = []
  # The script filters the log of its process, which other tests read, too.
  handler = logging.get_absl_handler()
  monkeypatch.setattr(handler, 'filters', [*handler.filters])
  monkeypatch.setattr(restart, 'restart_or_exit', reasons.append)
  monkeypatch.setattr(
    script.app, 'run', lambda main, flags_parser: main(['script'])
  )
  monkeypatch.setattr(script.interrupt, 'run', lambda main: main())
  script.run(main)
  return reasons


def test_scripts_restart_if_a_worker_is_lost(monkeypatch):
  def main(_):
    raise LostWorker('gone')

  assert _run(main, monkeypatch) == ['gone']


def test_a_run_that_was_made_to_stop_does_not_start_again(monkeypatch):
  def main(_):
    with stop_request.listener(lambda: None):
      stop_request.make()
      raise LostWorker('gone')

  with pytest.raises(Stopped, match='another worker is lost .gone'):
    _run(main, monkeypatch)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
  monkeypatch.delenv(restart._LOST_SINCE, raising=False)
  monkeypatch.setattr(stop_request, '_was_made', False)
