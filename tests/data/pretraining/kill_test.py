"""create_pretraining_data.py, killed repeatedly, writes the same bytes."""

import os
import pathlib
import signal
import subprocess

import pytest
from data_job import NUM_SHARDS, command, contents, finish, folder, start

__all__ = ['folder']

pytestmark = pytest.mark.slow

# Runs a script that kills itself when a file is to get its final name.
_KILLED = """
import os, runpy, signal, sys
from system import files
_, name, *sys.argv = sys.argv
rename = files.rename

def rename_or_die(source, target):
  if target.endswith(name):
    os.kill(os.getpid(), signal.SIGKILL)
  rename(source, target)

files.rename = rename_or_die
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def _kill_before(folder: pathlib.Path, name: str, file: str) -> list[str]:
  """Kills a run before a file gets its name; returns the names in its folder.

  Temporary files are left out.
  """
  python, *script = command(folder, name)
  killed = subprocess.run([python, '-c', _KILLED, file, *script])
  assert killed.returncode == -signal.SIGKILL
  return sorted(x for x in os.listdir(folder / name) if x.startswith('out-'))


def test_killed_runs_resume_to_the_same_bytes(folder):
  finish(start(folder, 'undisturbed'))
  expected = contents(folder / 'undisturbed')
  assert len(expected) == 2 * NUM_SHARDS + 1
  first, second, third = (f'out-0000{i}-of-00005' for i in range(3))
  assert _kill_before(folder, 'killed', first) == []
  # Between a shard and its index: this shard is made again.
  left = _kill_before(folder, 'killed', f'{second}.index.json')
  assert left == [first, f'{first}.index.json', second]
  (folder / 'killed' / second).write_bytes(b'half')
  time = (folder / 'killed' / first).stat().st_mtime_ns
  left = _kill_before(folder, 'killed', third)
  assert left == [first, f'{first}.index.json', second, f'{second}.index.json']
  left = _kill_before(folder, 'killed', 'out.manifest.json')
  assert len(left) == 2 * NUM_SHARDS
  finish(start(folder, 'killed'))
  # No temporary file of the killed runs is left.
  assert contents(folder / 'killed') == expected
  # A complete shard was not made again.
  assert (folder / 'killed' / first).stat().st_mtime_ns == time
