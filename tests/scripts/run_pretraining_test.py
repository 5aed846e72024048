"""run_pretraining.py: from records to a checkpoint and its scores."""

import json
import shutil
import subprocess
import sys

import pytest
import tiny_world

from system.errors import UserError

_CHECKPOINT = ('model.ckpt-6.index', 'model.ckpt-6.data-00000-of-00001')


@pytest.fixture
def records(world):
  path = world / 'records'
  tiny_world.make_records(world, str(path))
  return path


def _flags(world, **changes):
  values = {
    'input_file': world / 'records',
    'bert_config_file': world / 'bert_config.json',
    'output_dir': world / 'out',
    'max_predictions_per_seq': 3,
    'max_seq_length': 16,
    'num_train_steps': 6,
    'num_warmup_steps': 2,
    'train_batch_size': 8,
    **changes,
  }
  return tiny_world.named_flags(values)


def _run(world, *arguments, **changes):
  tiny_world.run('run_pretraining', *_flags(world, **changes), *arguments)


@pytest.mark.slow
def test_script_trains_and_evaluates(world, records):
  done = subprocess.run(
    [
      *[sys.executable, 'run_pretraining.py', *_flags(world)],
      *['--do_train', '--do_eval'],
    ],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  lines = (world / 'out' / 'eval_results.txt').read_text().splitlines()
  scores = {k: float(v) for k, v in (line.split(' = ') for line in lines)}
  assert scores['global_step'] == 6
  assert scores['loss'] == pytest.approx(
    scores['masked_lm_loss'] + scores['next_sentence_loss']
  )
  assert 0 <= scores['masked_lm_accuracy'] <= 1
  assert (world / 'out' / 'model.ckpt-6.index').exists()
  assert (world / 'out' / 'bert_config.json').exists()


def test_the_casing_of_the_records_stays_with_the_encoder(world, records):
  _run(world, '--do_train', num_train_steps=1, num_warmup_steps=0)
  run = json.loads((world / 'out' / 'run.json').read_text())
  assert run['configuration']['do_lower_case'] is True
  with pytest.raises(
    UserError, match='do_lower_case=False .*run.json says .* an uncased model'
  ):
    tiny_world.run(
      'run_classifier',
      *tiny_world.task_flags(
        world, do_lower_case=False, init_checkpoint=world / 'out'
      ),
      '--do_train',
    )
  other = world / 'cased_L-2_H-8_A-2'
  shutil.copytree(world / 'out', other)
  (other / 'run.json').unlink()
  with pytest.raises(
    UserError, match='do_lower_case=True .*but cased_L-2_H-8_A-2 says'
  ):
    _run(world, '--do_train', init_checkpoint=other, output_dir=world / 'new')


@pytest.mark.slow
def test_a_batch_that_repeats_all_examples_is_refused(world, records, caplog):
  with pytest.raises(
    UserError,
    match=r'^--train_batch_size=1000000 is more than the \d+ training examples'
    ', so each step .*; expected at most 4,096$',
  ):
    _run(world, '--do_train', train_batch_size=10**6, num_warmup_steps=7)
  assert '`num_warmup_steps`=7 is more than `num_train_steps`=6' in caplog.text
  assert not list((world / 'out').glob('model.ckpt-*'))


def test_bert_size_takes_the_vocabularys_size(world, records):
  _run(
    world,
    '--do_train',
    bert_config_file=None,
    bert_size='2/128',
    vocab_file=world / 'vocab.txt',
    num_train_steps=1,
  )
  assert (
    '"hidden_size": 128' in (world / 'out' / 'bert_config.json').read_text()
  )
  assert (world / 'out' / 'vocab.txt').exists()


@pytest.mark.parametrize(
  ('arguments', 'changes', 'message'),
  [
    ([], {}, 'at least one of --do_train and --do_eval'),
    (['--do_train'], {'input_file': None}, '--input_file must be given'),
    (['--do_train'], {'input_file': '/none*'}, "no file matches '/none"),
    (['--do_train'], {'bert_config_file': None}, 'give --bert_size or --bert_'),
    (
      ['--do_train'],
      {'bert_config_file': None, 'bert_size': 'tiny'},
      '--bert_size needs --vocab_file',
    ),
    (
      ['--do_train'],
      {'max_seq_length': 32},
      '--max_seq_length is 32, but the records were made with 16',
    ),
    (
      ['--do_train'],
      {'max_predictions_per_seq': 4},
      '--max_predictions_per_seq is 4, but the records were made with 3',
    ),
    (
      ['--do_train'],
      {'bert_config_file': None, 'bert_size': '2/128', 'vocab_file': 'other'},
      'other is not the vocabulary that the records were made with',
    ),
    (['--do_eval'], {}, 'there is nothing to evaluate'),
  ],
)
def test_mistakes_are_reported_in_one_message(
  world, records, arguments, changes, message, monkeypatch
):
  monkeypatch.chdir(world)
  tokens = tiny_world.VOCABULARY
  (world / 'other').write_text('\n'.join([*tokens[:-2], 'be', 'have']))
  with pytest.raises(UserError, match=message):
    _run(world, *arguments, **changes)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'max_seq_length': 32},
      'records, record 0: input_ids has 16 values, expected 32',
    ),
    (
      {'max_predictions_per_seq': 4},
      'masked_lm_.* has 3 values, expected 4 .--max_predictions_per_seq',
    ),
  ],
)
def test_records_without_a_manifest_are_checked_by_their_fields(
  world, records, changes, message
):
  # As google-research/bert writes them.
  (world / 'records.index.json').unlink()
  with pytest.raises(UserError, match=message):
    _run(world, '--do_train', **changes)


_UNMASKED = ('--do_train', '--do_eval', '--save_checkpoints_steps=3')


@pytest.fixture(scope='module')
def _unmasked(tmp_path_factory):
  """A world with records without masks, and a run on them in `out`."""
  world = tiny_world.make(tmp_path_factory.mktemp('unmasked'))
  tiny_world.make_records(world, f'{world}/records', dynamic_masking=True)
  _run(world, *_UNMASKED, vocab_file=world / 'vocab.txt')
  return world


@pytest.fixture
def unmasked(_unmasked, tmp_path):
  return shutil.copytree(_unmasked, tmp_path, dirs_exist_ok=True)


def test_a_run_that_draws_its_masks_resumes_with_the_same_bytes(unmasked):
  def written():
    names = 'metrics.jsonl', 'eval_results.txt', *_CHECKPOINT
    return [(unmasked / 'out' / name).read_bytes() for name in names]

  whole = written()
  for path in (unmasked / 'out').rglob('*ckpt-6.*'):
    path.unlink()
  (unmasked / 'out' / 'eval_results.txt').unlink()
  _run(unmasked, *_UNMASKED, vocab_file=unmasked / 'vocab.txt')
  assert written() == whole


def test_a_run_does_not_resume_with_other_masks(unmasked):
  tiny_world.make_records(
    unmasked,
    f'{unmasked}/records',
    dynamic_masking=True,
    masked_lm_prob=0.3,
  )
  with pytest.raises(
    UserError, match="another configuration .dynamic_masking: .*'masked_lm_prob"
  ):
    _run(unmasked, *_UNMASKED, vocab_file=unmasked / 'vocab.txt')


def test_records_without_masks_need_the_vocabulary(unmasked):
  with pytest.raises(UserError, match='--vocab_file must be given: .*records'):
    _run(unmasked, '--do_train')


def test_records_of_another_vocabulary_than_the_checkpoint_are_refused(
  unmasked,
):
  tiny_world.make_records(unmasked, f'{unmasked}/records')
  tokens = tiny_world.VOCABULARY
  (unmasked / 'out/vocab.txt').write_text('\n'.join([*tokens[:-1], 'be']))
  message = (
    'out/vocab.txt is not the vocabulary that the records were made with'
  )
  with pytest.raises(UserError, match=message):
    _run(unmasked, '--do_eval')
  start = {'init_checkpoint': unmasked / 'out', 'output_dir': 'new'}
  message = (
    'the vocabulary of the records of --input_file is not the vocabulary of '
    '--init_checkpoint: .*out/vocab.txt differs'
  )
  with pytest.raises(UserError, match=message):
    _run(unmasked, '--do_train', **start)


def test_a_segment_that_the_model_lacks_is_named_by_its_record(world, records):
  config = {**tiny_world.CONFIG, 'type_vocab_size': 1}
  (world / 'bert_config.json').write_text(json.dumps(config))
  with pytest.raises(
    UserError,
    match='record 0: segment_ids holds 1, .* type_vocab_size is 1',
  ):
    _run(world, '--do_train')


def test_a_truncated_file_is_named_and_earlier_output_stays(world, records):
  _run(world, '--do_train')
  before = (world / 'out' / 'model.ckpt-6.index').read_bytes()
  content = records.read_bytes()
  records.write_bytes(content[:-7])
  with pytest.raises(UserError, match='records is damaged or cut short'):
    _run(world, '--do_train', output_dir=world / 'second')
  assert (world / 'out' / 'model.ckpt-6.index').read_bytes() == before


def test_a_text_file_instead_of_records_is_named(world):
  with pytest.raises(UserError, match='text.txt.* is damaged'):
    _run(world, '--do_train', input_file=world / 'text.txt')


def test_an_empty_file_is_named_before_anything_is_written(world):
  (world / 'records').write_bytes(b'')
  (world / 'out').mkdir()
  (world / 'out' / 'eval_results.txt').write_text('earlier')
  with pytest.raises(UserError, match='records is empty'):
    _run(world, '--do_eval')
  assert (world / 'out' / 'eval_results.txt').read_text() == 'earlier'
