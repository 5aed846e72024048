"""Model cards state what the files of a run record, and invent nothing."""

import json
import pathlib
import subprocess
import sys

import pytest

from distillation import dump_manifest
from distillation.dump_manifest import Manifest, Origin, Shard
from serving.exports import card_sections, model_card
from serving.exports.model_card import Notes
from serving.exports.run_facts import RunFacts, read
from system.errors import UserError

_SHARD = Shard('logits-00000-of-00001', 12, 34, 'abcd')
_MANIFEST = Manifest(
  task='custom',
  labels=['bad', 'good', 'so so'],
  teacher='teacher/model.ckpt-1',
  teacher_checksum='feed',
  teacher_scores={'eval_accuracy': 0.875, 'loss': 0.5},
  vocabulary='cafe',
  vocab_size=20,
  do_lower_case=True,
  max_seq_length=16,
  num_examples=12,
  num_held_out=3,
  shards=[_SHARD],
  num_labelled=4,
)


@pytest.fixture
def run_dir(model_folder, tmp_path):
  """A model, with the files of a distillation with two seeds."""
  parent = tmp_path / 'out'
  parent.mkdir()
  folder = parent / 'seed-1'
  pathlib.Path(model_folder('classifier')).rename(folder)
  dump = tmp_path / 'a dump'
  dump.mkdir()
  dump_manifest.write(str(dump), _MANIFEST)
  run = {
    'command': {
      'script': 'run_distillation',
      'flags': ['--do_train', f'--logits_dir={dump}', '--eval_split=test'],
    },
    'configuration': {
      'init_checkpoint': 'beef',
      'dumps': [[[_SHARD.name, _SHARD.num_bytes, _SHARD.crc_of_ends]]],
    },
    'versions': {'tensorflow': '2.20.0'},
  }
  (folder / 'run.json').write_text(json.dumps(run))
  (folder / 'eval_results.txt').write_text(
    'eval_accuracy = 0.75\neval_teacher_agreement = 0.8125\n'
    'eval_teacher_kl = 0.1\nglobal_step = 1\n'
  )
  (folder / 'eval_speed.json').write_text('{"examples_per_second": 1234.5}')
  summary = {'eval_accuracy': {'lowest': 0.75, 'highest': 0.8}}
  (parent / 'seeds.json').write_text(
    json.dumps(
      {'scores': {'1': {'eval_accuracy': 0.75}, '2': {}}, 'summary': summary}
    )
  )
  return folder


def test_a_full_card_has_what_the_run_records(run_dir):
  notes = Notes(('en',), 'apache-2.0', 'Films only.')
  other = {
    'keys': {'method': 'PF', 'seed': 1},
    'split': 'test',
    'scores': {'accuracy': 0.625, 'auc': None},
  }
  card = model_card.full_card(str(run_dir), notes, [other])
  assert card.startswith('---\nlanguage: ["en"]\nlicense: apache-2.0\n')
  for line in (
    '# BERT 2/8',
    'It takes single texts of at most 16 tokens, lower-cased. Longer ones are '
    'cut.',
    'Its labels are `bad`, `good`, `so so`.',
    '- Transfer set: 12 texts, 4 of them with a label; 3 others were left out '
    'because dev or test contains them',
    '- Teacher: weights with the SHA-256 `feed`; on dev: accuracy 0.8750',
    '- SHA-256 of the first weights: `beef`',
    'python run_distillation.py \\',
    'tensorflow 2.20.0.',
    '| on test | score | of 2 seeds |',
    '| accuracy | 0.7500 | 0.7500–0.8000 |',
    '- method PF, seed 1, on test: accuracy 0.6250',
    'It predicts the label of its teacher for 81.25% of the examples of test.',
    '1,234.5 examples a second while the run was evaluated, on its own '
    'hardware.',
    'Films only.',
  ):
    assert line in card.splitlines()
  assert "'--logits_dir=" in card  # Its folder has a blank.
  assert 'teacher_kl' not in card


def test_what_is_unknown_is_left_out(run_dir):
  for name in ('run.json', 'eval_results.txt', 'eval_speed.json'):
    (run_dir / name).unlink()
  (run_dir.parent / 'seeds.json').unlink()
  card = model_card.full_card(str(run_dir), Notes())
  titles = [x[3:] for x in card.splitlines() if x.startswith('## ')]
  assert titles == ['Size', 'How to use it']
  assert 'license' not in card and 'language' not in card
  facts = read(str(run_dir))
  size = sum(x.stat().st_size for x in run_dir.glob('model.ckpt-1.data-*'))
  assert facts == RunFacts(num_bytes=size)


def test_a_run_beside_those_of_several_seeds_has_no_spread(run_dir):
  alone = run_dir.rename(run_dir.parent / 'alone')
  facts = read(str(alone))
  assert (facts.spread, facts.num_seeds) == ({}, 0)


def test_undefined_scores_of_a_teacher_are_left_out():
  scores = {'eval_accuracy': 0.5, 'eval_auc': float('nan')}
  text = card_sections._of_teacher(Origin('t', 'feed', scores, 0))
  assert text.endswith('`feed`; on dev: accuracy 0.5000')


def test_a_rate_that_is_unknown_is_left_out(run_dir):
  (run_dir / 'eval_speed.json').write_text('{"examples_per_second": null}')
  assert '## Speed' not in model_card.full_card(str(run_dir), Notes())


def test_the_split_is_the_one_that_the_evaluation_recorded(run_dir):
  # The command of the run has --eval_split=test; another one evaluated it.
  path = run_dir / 'eval_speed.json'
  path.write_text('{"examples_per_second": 3.0, "split": "dev"}')
  card = model_card.full_card(str(run_dir), Notes())
  assert '| on dev | score | of 2 seeds |' in card
  with pytest.raises(UserError, match='`split`=test: .* are those of dev'):
    model_card.full_card(str(run_dir), Notes(), split='test')


def test_scores_of_a_later_evaluation_have_no_spread(run_dir):
  # The seeds were evaluated on dev; then this one on another split.
  (run_dir / 'eval_results.txt').write_text('eval_accuracy = 0.5\n')
  (run_dir / 'eval_speed.json').write_text('{"split": "test"}')
  card = model_card.full_card(str(run_dir), Notes())
  assert '| on test | score |\n| --- | ---: |\n| accuracy | 0.5000 |' in card


def test_a_dump_that_has_changed_is_left_out(run_dir, tmp_path):
  path = tmp_path / 'a dump' / 'manifest.json'
  values = json.loads(path.read_text())
  values['shards'][0]['crc_of_ends'] = 'other'
  path.write_text(json.dumps(values))
  assert read(str(run_dir)).dumps == ()
  assert read(str(run_dir)).num_seeds == 2


def test_a_model_without_a_task_has_no_full_card(model_folder):
  with pytest.raises(UserError, match='has no model.json with a task'):
    model_card.full_card(model_folder('pretraining'), Notes())


def test_one_seed_has_a_table_without_spread():
  text = card_sections.scores(RunFacts(scores={'f1': 0.5}))
  assert text == (
    '## Scores\n\n| on dev | score |\n| --- | ---: |\n| f1 | 0.5000 |'
  )


@pytest.mark.slow
def test_the_tool_writes_the_card_once_and_without_tensorflow(run_dir):
  code = (
    'import sys; from tools import model_card; from cli import script;'
    'model_card.define_flags()\n'
    'try: script.run(model_card.main)\n'
    'finally: print("tensorflow" in sys.modules)'
  )

  def run(*flags):
    return subprocess.run(
      [sys.executable, '-c', code, f'--model_dir={run_dir}', *flags],
      capture_output=True,
      text=True,
    )

  assert run('--split=dev').stdout == 'False\n'
  card = (run_dir / 'README.md').read_text()
  assert '| on dev | score | of 2 seeds |' in card
  done = run()
  assert done.returncode == 1
  assert 'README.md exists: give --overwrite to replace it' in done.stderr
  assert run('--overwrite').returncode == 0
  assert '| on test |' in (run_dir / 'README.md').read_text()
  # A checkpoint's card lies next to it.
  (run_dir / 'README.md').unlink()
  prefix = next(run_dir.glob('model.ckpt-*.index')).with_suffix('')
  assert run(f'--model_dir={prefix}').returncode == 0
  assert (run_dir / 'README.md').exists() and not prefix.exists()
