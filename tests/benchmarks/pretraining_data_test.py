"""The command that measures how pre-training data is made."""

import json
import subprocess
import sys

import pytest


def _run(*arguments, **options):
  return subprocess.run(
    [sys.executable, '-m', 'benchmarks.pretraining_data', *arguments],
    capture_output=True,
    text=True,
    **options,
  )


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ([], 'vocab_file'),
    (['--vocab_file=none'], "--vocab_file: there is no file 'none'"),
    (['--peers=others'], '--peers=others: expected original or tf_models'),
    (['--peers=', '--noours'], 'nothing to measure'),
    (['--peers=original'], '--reference_dir: there is no file'),
    (['--scaling=2,1'], '--scaling=2,1: expected whole numbers'),
    (['--scaling=1', '--peers='], 'only this project, without --peers'),
  ],
)
def test_mistakes_are_explained_at_once(world, arguments, message):
  if arguments and not arguments[0].startswith('--vocab_file'):
    arguments = [f'--vocab_file={world}/vocab.txt', *arguments]
  done = _run('--input_file=none', *arguments)
  assert done.returncode == 1
  assert message in done.stderr
  assert 'Traceback' not in done.stderr


@pytest.mark.slow
def test_scaling_measures_this_project_on_repeated_text(world):
  done = _run(
    *['--scaling=1,2', '--num_rounds=1', f'--vocab_file={world}/vocab.txt'],
    *[f'--input_file={world}/text.txt', f'--output_json={world}/numbers.json'],
    check=True,
  )
  assert 'text x 1 to text x 2: ' in done.stdout
  numbers = json.loads((world / 'numbers.json').read_text())
  once, twice = numbers['medians']
  assert twice['megabytes'] == 2 * once['megabytes']
  assert twice['records'] > once['records'] > 0
  assert numbers['ratios'] == {}
