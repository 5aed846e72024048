"""benchmarks/gpu.sh: its commands are legal, and missing data is named."""

import pathlib
import shlex
import subprocess
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _run(data, results):
  return subprocess.run(
    ['bash', 'benchmarks/gpu.sh', str(data), str(results)],
    capture_output=True,
    text=True,
    cwd=_ROOT,
    env={'PATH': '/usr/bin:/bin', 'PYTHON': sys.executable, 'DRY_RUN': '1'},
  )


def test_every_command_has_legal_flags(tmp_path):
  for name in (
    *('vocab/uncased_vocab.txt', 'wiki/train-00.txt.gz', 'wiki/heldout.txt.gz'),
    'glue/SST-2/train.tsv',
  ):
    path = tmp_path / 'data' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  done = _run(tmp_path / 'data', tmp_path / 'results')
  assert done.returncode == 0, done.stderr
  commands = [
    shlex.split(line[2:])
    for line in done.stdout.splitlines()
    if line.startswith('+ ')
  ]
  assert len(commands) == 5
  for command in commands:
    if command[0] == sys.executable:
      checked = subprocess.run(
        [*command, '--only_check_args'],
        capture_output=True,
        text=True,
        cwd=_ROOT,
      )
      assert checked.returncode == 0, checked.stderr


def test_missing_data_is_named(tmp_path):
  done = _run(tmp_path, tmp_path / 'results')
  assert done.returncode == 1
  assert f'expected {tmp_path}/vocab/uncased_vocab.txt' in done.stderr
