"""create_pretraining_data.py, killed again and again, writes the same bytes."""

import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.slow

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_NUM_SHARDS = 5
_WORDS = [f'w{i}' for i in range(2000)]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A vocabulary and 20 MB of text: two blocks."""
  path = tmp_path_factory.mktemp('data')
  tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *_WORDS]
  (path / 'vocab.txt').write_text('\n'.join(tokens))
  rng = random.Random(0)
  sentences = [' '.join(rng.choices(_WORDS, k=20)) for _ in range(5000)]
  with (path / 'text.txt').open('w') as file:
    for _ in range(9000):
      file.write('\n'.join(rng.choices(sentences, k=20)) + '\n\n')
  return path


def start(folder: pathlib.Path, name: str) -> subprocess.Popen:
  return subprocess.Popen(
    [
      *[sys.executable, str(_ROOT / 'data' / 'create_pretraining_data.py')],
      f'--input_file={folder}/text.txt',
      f'--output_file={folder}/{name}/out',
      f'--vocab_file={folder}/vocab.txt',
      f'--num_shards={_NUM_SHARDS}',
      '--dupe_factor=2',
      '--max_seq_length=32',
      '--max_predictions_per_seq=5',
    ],
    stderr=subprocess.PIPE,
    text=True,
  )


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  """Returns the files of a folder by name; the lock, which stays, aside."""
  return {
    path.name: path.read_bytes()
    for path in folder.iterdir()
    if path.name != '.out.lock'
  }


def finish(process: subprocess.Popen) -> None:
  _, messages = process.communicate(timeout=300)
  assert process.returncode == 0, messages


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
  assert len(expected) == 2 * _NUM_SHARDS + 1
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
