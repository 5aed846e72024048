"""Processes end with their pool, and with the process that started them."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from system.errors import UserError
from system.processes import process_pool


def test_functions_run_in_other_processes():
  with process_pool(1, ['os']) as pool:
    pid = pool.submit(os.getpid).result()
    assert pid != os.getpid()
    with pytest.raises(FileNotFoundError):
      pool.submit(os.stat, '/none').result()
  assert not psutil.pid_exists(pid)


def test_a_killed_process_is_reported():
  with (
    pytest.raises(UserError, match='ended abruptly; .* memory'),
    process_pool(1, []) as pool,
  ):
    os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
    pool.submit(os.getpid).result()


def test_processes_end_with_a_killed_parent():
  program = (
    'import os, time\n'
    'from system.processes import process_pool\n'
    "if __name__ == '__main__':\n"
    '  with process_pool(1, []) as pool:\n'
    '    print(pool.submit(os.getpid).result(), flush=True)\n'
    '    time.sleep(60)\n'
  )
  parent = subprocess.Popen(
    [sys.executable, '-c', program], stdout=subprocess.PIPE, text=True
  )
  pid = int(parent.stdout.readline())
  assert psutil.pid_exists(pid)
  parent.kill()
  parent.communicate()
  end = time.monotonic() + 30
  while psutil.pid_exists(pid) and time.monotonic() < end:
    time.sleep(0.05)
  assert not psutil.pid_exists(pid)
