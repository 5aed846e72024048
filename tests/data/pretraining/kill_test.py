"""create_pretraining_data.py, killed again and again, writes the same bytes."""

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
  """Kills a run when what stands in its folder says so; returns that."""
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


def whole(names: list[str]) -> int:
  """Counts the shards that are there under their final names."""
  return sum(
    n.startswith('out-') and not n.endswith('index.json') for n in names
  )


def test_killed_runs_go_on_to_the_same_bytes(folder):
  finish(start(folder, 'undisturbed'))
  expected = contents(folder / 'undisturbed')
  assert len(expected) == 2 * NUM_SHARDS + 1
  name = 'killed'
  # In a shard; when the first is there; between a shard and its index.
  left = kill_when(folder, name, lambda names: any('.tmp' in n for n in names))
  assert whole(left) == 0
  left = kill_when(folder, name, lambda names: whole(names) == 1)
  assert whole(left) >= 1
  before = {
    n: (folder / name / n).stat().st_mtime_ns for n in left if n[0] != '.'
  }
  left = kill_when(folder, name, lambda names: whole(names) == 3)
  assert 'out.manifest.json' not in left
  finish(start(folder, name))
  # Nothing is left of what the killed runs were writing.
  assert contents(folder / name) == expected
  # What was whole was not made again.
  shard = 'out-00000-of-00005'
  assert (folder / name / shard).stat().st_mtime_ns == before[shard]
