"""create_pretraining_data.py, killed repeatedly, writes the same bytes."""

import pathlib
import signal
import time
from collections.abc import Callable

import pytest
from data_job import NUM_SHARDS, contents, finish, folder, start

__all__ = ['folder']

pytestmark = pytest.mark.slow


def kill_when(
  folder: pathlib.Path, name: str, is_time: Callable[[list[str]], bool]
) -> list[str]:
  """Kills a run at a certain time; returns the names in its folder.

  Args:
    folder: the folder of the text.
    name: the folder of the output.
    is_time: whether to kill now; gets the names in the output folder.
  """
  process = start(folder, name)
  path = folder / name
  while process.poll() is None:
    names = [p.name for p in path.iterdir()] if path.exists() else []
    if is_time(names):
      break
    time.sleep(0.002)
  process.send_signal(signal.SIGKILL)
  process.communicate()
  assert process.returncode == -signal.SIGKILL
  return [p.name for p in path.iterdir()]


def count_complete(names: list[str]) -> int:
  """Counts the complete shards."""
  return sum(
    n.startswith('out-') and not n.endswith('index.json') for n in names
  )


def test_killed_runs_resume_to_the_same_bytes(folder):
  finish(start(folder, 'undisturbed'))
  expected = contents(folder / 'undisturbed')
  assert len(expected) == 2 * NUM_SHARDS + 1
  name = 'killed'
  # During a shard, after the first shard, between a shard and its index.
  left = kill_when(folder, name, lambda names: any('.tmp' in n for n in names))
  assert count_complete(left) == 0
  left = kill_when(folder, name, lambda names: count_complete(names) == 1)
  assert count_complete(left) >= 1
  before = {
    n: (folder / name / n).stat().st_mtime_ns for n in left if n[0] != '.'
  }
  left = kill_when(folder, name, lambda names: count_complete(names) == 3)
  assert 'out.manifest.json' not in left
  finish(start(folder, name))
  # No temporary file of the killed runs is left.
  assert contents(folder / name) == expected
  # A complete shard was not made again.
  shard = 'out-00000-of-00005'
  assert (folder / name / shard).stat().st_mtime_ns == before[shard]
