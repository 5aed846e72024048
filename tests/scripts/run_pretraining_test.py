"""run_pretraining.py: from records to a checkpoint and its scores."""

import json
import shutil
import subprocess
import sys

import numpy as np
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


@pytest.mark.slow
def test_the_casing_of_the_records_stays_with_the_encoder(world, records):
  _run(world, '--do_train', num_train_steps=1, num_warmup_steps=0)
  run = json.loads((world / 'out' / 'run.json').read_text())
  assert run['configuration']['do_lower_case'] is True
  with pytest.raises(
    UserError, match='do_lower_case=False .*model.json says .* an uncased model'
  ):
    tiny_world.run(
      'run_classifier',
      *tiny_world.task_flags(
        world,
        do_lower_case=False,
        init_checkpoint=world / 'out',
        output_dir=world / 'tuned',
      ),
      '--do_train',
    )
  other = world / 'cased_L-2_H-8_A-2'
  shutil.copytree(world / 'out', other)
  for name in ('model.json', 'run.json'):
    (other / name).unlink()
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_run_does_not_resume_with_other_masks(unmasked, caplog):
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
  # P is a setting of the run: 3 of 16 tokens, where 5 are to be masked.
  assert 'the longest records need 5 masks for their share' in caplog.text


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
  start = {
    'init_checkpoint': unmasked / 'out',
    'vocab_file': unmasked / 'vocab.txt',
    'output_dir': 'new',
  }
  message = (
    'vocab.txt is not the vocabulary of --init_checkpoint: .*out/vocab.txt '
    'differs'
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


@pytest.mark.slow
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


@pytest.fixture(scope='module')
def _pretrained(_unmasked, tmp_path_factory):
  """A world with a pre-trained encoder in `teacher`, and masked records."""
  world = tmp_path_factory.mktemp('pretrained')
  shutil.copytree(_unmasked, world, dirs_exist_ok=True)
  (world / 'out').rename(world / 'teacher')
  tiny_world.make_records(world, f'{world}/records')
  return world


@pytest.fixture
def pretrained(_pretrained, tmp_path):
  return shutil.copytree(_pretrained, tmp_path, dirs_exist_ok=True)


def _imitate(world, *arguments, **changes):
  """Trains a student of one layer under the teacher of two."""
  config = {**tiny_world.CONFIG, 'num_hidden_layers': 1}
  config |= changes.pop('config', {})
  (world / 'student.json').write_text(json.dumps(config))
  values = {
    'bert_config_file': world / 'student.json',
    'teacher_checkpoint': world / 'teacher',
    'log_steps': 1,
    **changes,
  }
  _run(world, '--do_train', *arguments, **values)


def _configuration(world):
  return json.loads((world / 'out' / 'run.json').read_text())['configuration']


@pytest.mark.slow
def test_a_student_starts_from_every_other_layer_and_imitates(pretrained):
  _imitate(
    pretrained,
    '--do_eval',
    init_checkpoint=pretrained / 'teacher',
    init='every_kth_layer',
    soft_masked_lm_weight=5.0,
    cosine_weight=1.0,
  )
  lines = (pretrained / 'out' / 'metrics.jsonl').read_text().splitlines()
  assert {'soft_masked_lm_loss', 'cosine_loss', 'masked_lm_loss'} <= (
    json.loads(lines[0]).keys()
  )
  configuration = _configuration(pretrained)
  assert configuration['cosine_weight'] == 1.0
  assert len(configuration['teacher_checkpoint']) > 8
  with pytest.raises(UserError, match='cosine_weight: 1.0 there, 0.5 now'):
    _imitate(
      pretrained,
      init_checkpoint=pretrained / 'teacher',
      init='every_kth_layer',
      soft_masked_lm_weight=5.0,
      cosine_weight=0.5,
    )


@pytest.mark.slow
def test_two_replicas_imitate_a_teacher(pretrained):
  # In a fresh process: the check of the teacher must not run an op, which would
  # fix the number of devices before the strategy is made.
  flags = _flags(
    pretrained,
    teacher_checkpoint=pretrained / 'teacher',
    soft_masked_lm_weight=1.0,
    distribution_strategy='mirrored',
    num_cpu_devices=2,
  )
  done = subprocess.run(
    [sys.executable, 'run_pretraining.py', *flags, '--do_train'],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert (pretrained / 'out' / 'model.ckpt-6.index').exists()


def test_a_run_without_a_teacher_records_none(pretrained):
  run = json.loads((pretrained / 'teacher' / 'run.json').read_text())
  assert not [x for x in run['configuration'] if 'teacher' in x]
  assert 'hard_loss_weight' not in run['configuration']


@pytest.mark.slow
def test_a_classifier_teaches_a_narrower_student_its_relations(teacher_world):
  # It has no pre-training head, which relations do not need.
  tiny_world.make_records(teacher_world, f'{teacher_world}/records')
  _imitate(
    teacher_world,
    config={'hidden_size': 4},
    relation_weight=1.0,
    relations='attention,value',
    hard_loss_weight=0.0,
    learning_rate=1e-2,
    num_train_steps=20,
  )
  lines = (teacher_world / 'out' / 'metrics.jsonl').read_text().splitlines()
  losses = [json.loads(line)['relation_loss'] for line in lines]
  assert np.mean(losses[-3:]) < 0.9 * losses[0]
  assert 'masked_lm_loss' not in json.loads(lines[0])


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({}, '--teacher_checkpoint cannot take effect: neither '),
    (
      {'teacher_checkpoint': None, 'cosine_weight': 1.0},
      '--cosine_weight cannot take effect: --teacher_checkpoint is not given',
    ),
    (
      {'cosine_weight': 1.0, 'relations': 'attention,value'},
      '--relations cannot take effect: --relation_weight is 0.0',
    ),
    (
      {'cosine_weight': 1.0, 'soft_masked_lm_temperature': 1.0},
      '--soft_masked_lm_temperature cannot take effect: .*weight is 0.0',
    ),
    (
      {'relation_weight': 1.0, 'freeze': 'encoder'},
      '--relation_weight cannot take effect: --freeze is encoder',
    ),
    (
      {'cosine_weight': 1.0, 'freeze': 1},
      '--cosine_weight=1.0 cannot take effect: --freeze=1 keeps all of',
    ),
    (
      {'cosine_weight': 1.0, 'config': {'hidden_size': 4}},
      "--cosine_weight=1.0 needs a teacher of the student's width: .* 8, .* 4",
    ),
    (
      {'relation_weight': 1.0, 'num_relation_heads': 3},
      '--num_relation_heads=3 must divide the hidden_size of the teacher, 8',
    ),
    ({'relation_weight': 1.0, 'teacher_checkpoint': '/none'}, '/none'),
  ],
)
def test_imitation_that_cannot_take_effect_is_refused(
  pretrained, changes, message
):
  with pytest.raises(UserError, match=message):
    _imitate(pretrained, **changes)
  assert not (pretrained / 'out').exists()


def test_soft_targets_need_a_masked_lm_head(teacher_world):
  tiny_world.make_records(teacher_world, f'{teacher_world}/records')
  message = (
    '--soft_masked_lm_weight needs a teacher with a masked-LM head.*lacks '
    'cls/predictions/output_bias'
  )
  with pytest.raises(UserError, match=message):
    _imitate(teacher_world, soft_masked_lm_weight=1.0)


def test_the_teachers_vocabulary_is_that_of_the_records(pretrained):
  path = pretrained / 'teacher' / 'vocab.txt'
  tokens = tiny_world.VOCABULARY
  path.write_text('\n'.join([*tokens[:-1], 'be']) + '\n')
  message = 'is not the vocabulary of --teacher_checkpoint: .*vocab.txt differs'
  with pytest.raises(UserError, match=message):
    _imitate(pretrained, cosine_weight=1.0)
  path.unlink()
  with pytest.raises(UserError, match='no vocab.txt next to .*/teacher/model'):
    _imitate(pretrained, cosine_weight=1.0)


def test_records_must_name_their_vocabulary_beside_a_teacher(pretrained):
  (pretrained / 'records.index.json').unlink()
  with pytest.raises(
    UserError, match='_checkpoint needs --vocab_file: the rec'
  ):
    _imitate(pretrained, cosine_weight=1.0)


def test_a_teacher_of_the_other_casing_is_refused(pretrained):
  (pretrained / 'teacher').rename(pretrained / 'cased_L-2_H-8_A-2')
  for name in ('model.json', 'run.json'):
    (pretrained / 'cased_L-2_H-8_A-2' / name).unlink()
  with pytest.raises(UserError, match='cased_L-2_H-8_A-2 says'):
    _imitate(
      pretrained,
      teacher_checkpoint=pretrained / 'cased_L-2_H-8_A-2',
      cosine_weight=1.0,
    )
