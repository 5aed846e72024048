"""The command that measures training: with processes and all engines."""

import importlib.util
import json
import subprocess
import sys

import pytest

from benchmarks import training_data
from system.errors import UserError

_KINDS = ('pretraining', 'fine_tuning', 'distillation', 'scoring')


def _run(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'benchmarks.training', *arguments],
    capture_output=True,
    text=True,
  )


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--jobs=nothing'], '--jobs=nothing: expected pretraining, fine_tuning'),
    (['--peers=others'], '--peers=others: expected hugging_face, tf_models'),
    (['--variants=fast'], '--variants=fast: expected name=value'),
  ],
)
def test_mistakes_are_explained_at_once(arguments, message):
  done = _run('--vocab_file=vocab.txt', *arguments)
  assert done.returncode == 1
  assert message in done.stderr
  assert 'Traceback' not in done.stderr


def test_records_of_other_settings_are_refused(tmp_path):
  path, made = tmp_path / 'sst_2.json', []

  def make_once(**settings):
    training_data.make_once(str(path), settings, lambda: made.append(settings))

  make_once(num_examples=5, vocab_file=None)
  make_once(num_examples=5, vocab_file=None)
  assert made == [{'num_examples': 5, 'vocab_file': None}]
  with pytest.raises(UserError, match='--num_examples=5, now it is 6. Give an'):
    make_once(num_examples=6, vocab_file=None)
  # A command that was cut off leaves no settings.
  path.unlink()
  with pytest.raises(ZeroDivisionError):
    training_data.make_once(str(path), {}, lambda: 1 / 0)
  assert not path.exists()


@pytest.fixture
def small_flags(world):
  """The flags of a short benchmark with a small model."""
  text = '\n'.join(['the film was good .'] * 60)
  (world / 'long.txt').write_text('\n\n'.join([text] * 8) + '\n')
  return [
    f'--vocab_file={world}/vocab.txt',
    f'--wiki_file={world}/long.txt',
    f'--sst_2_dir={world}/task',
    '--sizes=2/128',
    '--train_batch_size=4',
    '--predict_batch_size=4',
    f'--output_json={world}/numbers.json',
  ]


def _contestants(path) -> dict[str, dict[str, dict]]:
  """Returns job → title → row."""
  jobs = json.loads(path.read_text())['jobs']
  return {
    job['job']: {row['title']: row for row in job['contestants']}
    for job in jobs
  }


@pytest.mark.slow
@pytest.mark.parametrize(
  'precision',
  ['float32', pytest.param('bfloat16', marks=pytest.mark.long)],
)
@pytest.mark.parametrize('kind', _KINDS)
def test_every_contestant_finishes_its_rounds(
  world, small_flags, kind, precision
):
  # The extra 'bench' brings what the peers need.
  needs = {'hugging_face': 'torch', 'tf_models': 'pkg_resources'}
  peers = [p for p, module in needs.items() if importlib.util.find_spec(module)]
  flags = [f'--jobs={kind}', '--num_rounds=2', '--round_seconds=0.1']
  flags += [f'--precision={precision}', '--variants=jit_compile=true']
  flags += [f'--output_lines={world}/lines.jsonl']
  done = _run(*small_flags, *flags, f'--peers={",".join(peers)}')
  assert done.returncode == 0, done.stderr
  ((job, rows),) = _contestants(world / 'numbers.json').items()
  assert job == f'{kind} 2/128'
  assert rows['this project']['times_ours'] == 1.0
  lines = (world / 'lines.jsonl').read_text().splitlines()
  # One for each start, the product's included, and one for the job.
  assert len(lines) == len(rows) + 2
  assert json.loads(lines[-1])['job'] == job
  for title, row in rows.items():
    assert 'failure' not in row, (title, row)
    assert len(row['rounds']) == 2
    assert row['first_step_seconds'] > row['import_seconds'] > 0


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['pretraining', 'scoring'])
def test_a_profile_shares_out_the_time(world, small_flags, kind):
  done = _run(*small_flags, f'--jobs=start,{kind}', '--profile')
  assert done.returncode == 0, done.stderr
  assert '  matrix products' in done.stdout
  (profile,) = json.loads((world / 'numbers.json').read_text())['jobs']
  assert sum(profile['shares'].values()) == pytest.approx(1.0)
  assert profile['share_of_peak_in_products'] > 0
