"""recipes/pretrain_on_one_gpu.py: its commands, results and packed models."""

import json
import shlex
import signal
import subprocess
import sys
import time
import zipfile

import pytest
import tensorflow as tf

_MODULE = 'recipes.pretrain_on_one_gpu'


def _run(folder, *arguments):
  return subprocess.run(
    _command(folder, *arguments), capture_output=True, text=True
  )


def _command(folder, *arguments):
  return [
    *(sys.executable, '-m', _MODULE),
    f'--text_dir={folder}/text',
    f'--vocab_file={folder}/vocab.txt',
    f'--work_dir={folder}/work',
    *arguments,
  ]


@pytest.fixture
def text_world(world):
  """A `world` with text for training and for the evaluation."""
  (world / 'text').mkdir()
  for name in ('a.txt', 'heldout.txt'):
    (world / 'text' / name).write_bytes((world / 'text.txt').read_bytes())
  return world


@pytest.mark.slow
def test_a_dry_run_prints_legal_commands(text_world):
  done = _run(text_world, '--dry_run', '--pilots', '--pilot_rates=1e-3,2e-3')
  assert done.returncode == 0, done.stderr
  commands = [
    shlex.split(line.removeprefix('python '))
    for line in done.stdout.splitlines()
  ]
  # The records of both; for each of three sizes the speed, two pilots with
  # their evaluations, the run and its evaluation.
  assert len(commands) == 2 + 3 * 7
  for command in commands[:9]:
    checked = subprocess.run(
      [sys.executable, *command, '--only_check_args'],
      capture_output=True,
      text=True,
    )
    assert checked.returncode == 0, checked.stderr
  assert not (text_world / 'work').exists()


@pytest.mark.slow
def test_a_model_is_trained_evaluated_and_packed(text_world):
  arguments = ['--sizes=tiny', '--minutes=0.02', '--batch_size=4']
  arguments += ['--speed_steps=6', '--eval_steps=1']
  done = _run(text_world, *arguments)
  assert done.returncode == 0, done.stdout + done.stderr
  work = text_world / 'work'
  name = 'uncased_L-2_H-128_A-2'
  result = json.loads((work / f'results/{name}.json').read_text())
  assert result['learning_rate_from'] == 'table, not piloted'
  assert result['heldout']['global_step'] == result['steps']
  with zipfile.ZipFile(work / f'release/{name}.zip') as packed:
    packed.extractall(text_world / 'unpacked')
  folder = text_world / 'unpacked' / name
  assert {path.name for path in folder.iterdir()} == {
    *('bert_config.json', 'vocab.txt', 'bert_model.ckpt.index'),
    'bert_model.ckpt.data-00000-of-00001',
  }
  reader = tf.train.load_checkpoint(str(folder / 'bert_model.ckpt'))
  table = 'bert/embeddings/word_embeddings'
  assert reader.get_variable_to_shape_map()[table][1] == 128
  again = _run(text_world, *arguments)
  assert again.stdout.splitlines() == [
    f'2/128 is done: {work}/results/{name}.json'
  ]
  for other in ('--batch_size=8', '--dupe_factor=2'):
    refused = _run(text_world, *arguments, other)
    assert refused.returncode == 1
    assert f'ERROR: {other.partition("=")[0]}: {work}/' in refused.stderr


@pytest.mark.slow
def test_a_rate_that_diverges_is_not_chosen(text_world):
  arguments = ['--sizes=tiny', '--minutes=0.02', '--batch_size=4', '--pilots']
  arguments += ['--speed_steps=6', '--eval_steps=1', '--pilot_minutes=0.02']
  done = _run(text_world, *arguments, '--pilot_rates=1e30,1e-3')
  assert done.returncode == 0, done.stdout + done.stderr
  plan = text_world / 'work' / 'uncased_L-2_H-128_A-2' / 'plan.json'
  plan = json.loads(plan.read_text())
  assert plan['learning_rate'] == 1e-3
  assert plan['pilot_losses']['1e30'] is None


@pytest.mark.slow
def test_a_signal_makes_the_training_save(text_world):
  name = 'uncased_L-2_H-128_A-2'
  run, log = (text_world / 'work' / x for x in (name, f'logs/{name}/run.log'))
  run.mkdir(parents=True)
  plan = {'steps': 100_000, 'learning_rate': 1e-3}
  (run / 'plan.json').write_text(json.dumps(plan))
  recipe = subprocess.Popen(
    _command(text_world, '--sizes=2/128', '--batch_size=4')
  )
  try:
    deadline = time.monotonic() + 600
    # Its first line comes after ten seconds of steps.
    while not (log.exists() and ' examples/s' in log.read_text()):
      assert recipe.poll() is None and time.monotonic() < deadline
      time.sleep(0.1)
    recipe.send_signal(signal.SIGTERM)
    assert recipe.wait(timeout=300) == 75
  finally:
    recipe.kill()  # Its command ends, too.
  assert 'STOPPED: saved at step ' in log.read_text()
  assert [*(run / 'run' / 'checkpoints').glob('*.index')]


def test_other_settings_of_a_size_are_refused(text_world):
  path = text_world / 'work' / 'uncased_L-2_H-128_A-2' / 'settings.json'
  path.parent.mkdir(parents=True)
  path.write_text('{"minutes": 10.0, "learning_rate": null}')
  done = _run(text_world, '--dry_run', '--sizes=tiny', '--learning_rate=1e-3')
  assert done.returncode == 1
  assert f'ERROR: --learning_rate: {path} has None, now 0.001.' in done.stderr


def test_other_text_in_the_folder_is_refused(text_world):
  work = text_world / 'work'
  work.mkdir()
  done = _run(text_world, '--dry_run', '--sizes=tiny')
  assert done.returncode == 0, done.stderr
  settings = work / 'settings.json'
  content = {'text_dir (content)': '2 files, checksum 00000000'}
  settings.write_text(json.dumps(content))
  done = _run(text_world, '--dry_run', '--sizes=tiny')
  assert done.returncode == 1
  assert f"--text_dir (content): {settings} has '2 files, " in done.stderr


@pytest.mark.parametrize('rate', ['5e4x', '0', 'nan'])
def test_a_pilot_rate_that_is_none_is_refused(text_world, rate):
  done = _run(text_world, '--dry_run', f'--pilot_rates=1e-3,{rate}')
  assert done.returncode == 1
  assert f"ERROR: --pilot_rates: expected positive numbers, got '{rate}'" in (
    done.stderr
  )


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    (['a.txt'], 'expected heldout* in it'),
    (['heldout.txt'], 'expected a file of text in it'),
  ],
)
def test_missing_text_is_named(world, names, message):
  (world / 'text').mkdir()
  for name in names:
    (world / 'text' / name).touch()
  done = _run(world, '--dry_run')
  assert done.returncode == 1
  assert f'ERROR: --text_dir={world}/text: {message}' in done.stderr
