"""Memory, CPU time and failures of processes."""

import sys
import textwrap

import pytest

from benchmarks import processes


def _python(code):
  return [sys.executable, '-c', textwrap.dedent(code)]


def test_memory_is_that_of_all_processes_at_one_time(tmp_path, monkeypatch):
  monkeypatch.setattr(processes, '_PAUSE', 1)  # Takes more samples.
  child = 'x = b"x" * 40_000_000; print(flush=True); input()'
  code = f"""
    import subprocess, sys, time
    command = [sys.executable, '-c', {child!r}]
    pipes = {{'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}}
    children = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for each in children:
      each.stdout.readline()
    time.sleep(1)  # Both have their memory now.
    for each in children:
      each.communicate(b'end')
  """
  usage = processes.run(_python(code), str(tmp_path / 'log'))
  assert not usage.failure
  assert 80e6 < usage.peak_bytes < 160e6
  assert usage.seconds > 1
  assert usage.cpu_seconds > 0


@pytest.mark.parametrize(
  'code, failure',
  [
    ('print("first\\nlast\\n\\n"); raise SystemExit(3)', 'status 3: last'),
    ('import os; os.kill(os.getpid(), 9)', 'SIGKILL'),
  ],
)
def test_a_failure_has_the_status_and_the_last_line(tmp_path, code, failure):
  usage = processes.run(_python(code), str(tmp_path / 'log'))
  assert usage.failure == failure


def test_processes_can_import_the_project(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  usage = processes.run(_python('import system.files'), str(tmp_path / 'log'))
  assert not usage.failure
