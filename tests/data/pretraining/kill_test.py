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


def count_shards(names: list[str]) -> int:
  """Counts the shards that have their final names."""
  return sum(
    n.startswith('out-') and not n.endswith('index.json') for n in names
  )


def test_killed_runs_resume_to_the_same_bytes(folder):
  finish(start(folder, 'undisturbed'))
  expected = contents(folder / 'undisturbed')
  assert len(expected) == 2 * NUM_SHARDS + 1
  name = 'killed'
  # During a shard, after the first shard and its index, as soon as the third
  # shard has its name: perhaps before its index has.
  left = kill_when(folder, name, lambda names: any('.tmp' in n for n in names))
  assert count_shards(left) == 0
  shard = 'out-00000-of-00005'
  # The index gets its name last; a shard without one is made again.
  kill_when(folder, name, lambda names: f'{shard}.index.json' in names)
  before = (folder / name / shard).stat().st_mtime_ns
  left = kill_when(folder, name, lambda names: count_shards(names) >= 3)
  assert 'out.manifest.json' not in left
  finish(start(folder, name))
  # No temporary file of the killed runs is left.
  assert contents(folder / name) == expected
  # A complete shard was not made again.
  assert (folder / name / shard).stat().st_mtime_ns == before
