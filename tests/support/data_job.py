"""create_pretraining_data.py as a process, on 20 MB of random text."""

import pathlib
import random
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
NUM_SHARDS = 5
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


def command(folder: pathlib.Path, name: str) -> list[str]:
  """Returns the command that makes records in a folder inside `folder`."""
  return [
    *[sys.executable, str(_ROOT / 'data' / 'create_pretraining_data.py')],
    f'--input_file={folder}/text.txt',
    f'--output_file={folder}/{name}/out',
    f'--vocab_file={folder}/vocab.txt',
    f'--num_shards={NUM_SHARDS}',
    '--dupe_factor=2',
    '--max_seq_length=32',
    '--max_predictions_per_seq=5',
  ]


def start(folder: pathlib.Path, name: str) -> subprocess.Popen:
  return subprocess.Popen(
    command(folder, name), stderr=subprocess.PIPE, text=True
  )


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  """Returns the files of a folder by name, except the lock, which stays."""
  return {
    path.name: path.read_bytes()
    for path in folder.iterdir()
    if path.name != '.out.lock'
  }


def finish(process: subprocess.Popen) -> None:
  _, messages = process.communicate(timeout=300)
  assert process.returncode == 0, messages
