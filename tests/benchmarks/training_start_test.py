"""The time that run_pretraining.py takes to its 100th step."""

import sys

import pytest

from benchmarks import training_start
from benchmarks.training_jobs import BenchmarkJob

_JOB = BenchmarkJob(
  'start',
  '2/128',
  vocab_file='vocab.txt',
  vocab_size=1000,
  records='records',
  arrays='arrays',
  batch_size=8,
  precision='tf32',
  options={'jit_compile': 'false'},
)


def _measure(tmp_path, monkeypatch, program: str, seconds: float):
  """Measures a Python program instead of the script; $1 is its folder."""
  monkeypatch.setattr(
    training_start,
    'command',
    lambda job, output_dir: [sys.executable, '-c', program, output_dir],
  )
  return training_start.measure(_JOB, str(tmp_path), seconds)


def test_the_script_runs_twice_with_one_cache(tmp_path, monkeypatch):
  program = (
    'import os, pathlib, sys\n'
    'cache = pathlib.Path(os.environ["XDG_CACHE_HOME"])\n'
    'cache.mkdir(exist_ok=True)\n'
    '(cache / str(len(list(cache.iterdir())))).touch()\n'
    'folder = pathlib.Path(sys.argv[1])\n'
    'folder.mkdir()\n'
    '(folder / "metrics.jsonl").write_text("{}")\n'
  )
  result = _measure(tmp_path, monkeypatch, program, 60.0)
  assert result['job'] == 'start 2/128'
  assert all(0 < x['seconds_to_step_100'] < 60 for x in result['starts'])
  assert {path.name for path in (tmp_path / 'cache').iterdir()} == {'0', '1'}
  assert training_start.table_lines(result)[1:] == [
    'start 2/128: from the command to step 100',
    f'   first  {result["starts"][0]["seconds_to_step_100"]:.1f} s',
    f'  second  {result["starts"][1]["seconds_to_step_100"]:.1f} s',
  ]


@pytest.mark.parametrize(
  ('program', 'seconds', 'failure'),
  [
    ('raise SystemExit("no records")', 60.0, 'status 1: no records'),
    ('pass', 60.0, 'it did not train: see '),
    ('import time; time.sleep(60)', 0.2, 'not there after 0 s: see '),
  ],
)
def test_a_run_without_steps_fails(
  tmp_path, monkeypatch, program, seconds, failure
):
  result = _measure(tmp_path, monkeypatch, program, seconds)
  assert [x['failure'][: len(failure)] for x in result['starts']] == [
    failure,
    failure,
  ]


def test_the_command_trains_the_job():
  command = training_start.command(_JOB, 'out')
  assert {
    '--do_train',
    '--bert_size=2/128',
    '--precision=float32',
    '--train_batch_size=8',
    '--num_train_steps=100',
    '--output_dir=out',
    '--jit_compile=false',
  } <= set(command)
