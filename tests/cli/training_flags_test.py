"""The flags of optimisation and precision, in runs of the scripts."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

from cli import classifier_flags
from system.errors import UserError
from training import model_config, train_loop
from training.model_config import TokenizerRecord
from training.options import RunSettings
from training.run import with_bias_correction

_OPTIONS = {
  'freeze': 'embeddings',
  'gradient_accumulation_steps': 2,
  'layer_decay': 0.9,
  'optimizer': 'lamb',
  'precision': 'bfloat16',
}


def _run(world, *arguments, **changes):
  values = tiny_world.task_flags(world, **changes)
  tiny_world.run('run_classifier', *values, *arguments)


@pytest.mark.slow
def test_options_are_recorded_and_a_run_does_not_resume_with_others(
  world, caplog
):
  options = {**_OPTIONS, 'num_train_epochs': 1}
  jobs = ('--do_train', '--do_eval', '--save_initial_checkpoint')
  _run(world, *jobs, **options)
  configuration = json.loads((world / 'out' / 'run.json').read_text())[
    'configuration'
  ]
  assert _OPTIONS.items() <= configuration.items()
  assert configuration['adam_bias_correction'] is True
  assert 'eval_accuracy' in (world / 'out' / 'eval_results.txt').read_text()
  assert 'Frozen: 5 of 41 variables (`freeze`=embeddings)' in caplog.text
  first, last = (
    tf.train.load_checkpoint(str(world / 'out' / f'model.ckpt-{step}'))
    for step in (0, 6)
  )
  assert set(last.get_variable_to_dtype_map().values()) == {tf.float32}
  for name in last.get_variable_to_shape_map():
    is_same = np.array_equal(first.get_tensor(name), last.get_tensor(name))
    assert is_same == name.startswith('bert/embeddings/'), name
  with pytest.raises(UserError) as refused:
    _run(world, '--do_train', num_train_epochs=1)
  for name, value in _OPTIONS.items():
    assert f'{name}: {value!r} there, ' in str(refused.value)


@pytest.mark.slow
def test_a_folder_in_which_no_step_is_finished_takes_another_run(
  world, monkeypatch
):
  def fail(*arguments):
    raise UserError('the first step failed')

  with monkeypatch.context() as patch:
    patch.setattr(train_loop, 'train', fail)
    with pytest.raises(UserError, match='the first step failed'):
      _run(world, '--do_train', num_train_epochs=1, learning_rate=1.0)
  names = [path.name for path in (world / 'out').iterdir()]
  assert 'run.json' in names and 'checkpoints' not in names
  assert not [name for name in names if name.startswith('model.ckpt')]
  _run(world, '--do_train', num_train_epochs=1, learning_rate=1e-3)
  recorded = json.loads((world / 'out' / 'run.json').read_text())
  assert recorded['configuration']['learning_rate'] == 1e-3
  assert '--learning_rate=0.001' in recorded['command']['flags']


@pytest.mark.parametrize(
  ('name', 'content'),
  [
    ('bert_config.json', '{"mine": 1}'),
    ('vocab.txt', 'mine\n'),
  ],
)
def test_files_of_another_program_are_kept(world, name, content):
  folder = world / 'out'
  folder.mkdir()
  for own in ('bert_config.json', 'vocab.txt'):
    (folder / own).write_bytes((world / own).read_bytes())
  (folder / name).write_text(content)
  with pytest.raises(
    UserError, match=f'holds no run, but .*/{name}, which .*would replace'
  ):
    _run(world, '--do_train', num_train_epochs=1)
  assert (folder / name).read_text() == content


@pytest.mark.slow
def test_predictions_in_bfloat16_are_close_to_float32(teacher_world):
  teacher = teacher_world / 'teacher'
  rows = {}
  for precision in ('float32', 'bfloat16'):
    _run(teacher_world, '--do_predict', output_dir=teacher, precision=precision)
    rows[precision] = np.loadtxt(teacher / 'test_results.tsv', delimiter='\t')
  np.testing.assert_allclose(rows['bfloat16'], rows['float32'], atol=0.02)
  assert np.any(rows['bfloat16'] != rows['float32'])


@pytest.mark.parametrize(
  ('given', 'optimizer', 'num_examples', 'expected', 'reason'),
  [
    (None, 'adamw', 9999, True, '9999 training examples are fewer than 10000'),
    (None, 'adamw', 10000, False, 'as in BERT'),
    (None, 'adamw', None, False, 'as in BERT'),
    (None, 'lamb', None, True, 'as in the paper on LAMB'),
    (False, 'lamb', 10, False, 'set by the user'),
    (True, 'adamw', None, True, 'set by the user'),
  ],
)
def test_adams_bias_is_corrected_if_examples_are_few(
  given, optimizer, num_examples, expected, reason, caplog
):
  caplog.set_level('INFO')
  settings = RunSettings(adam_bias_correction=given, optimizer=optimizer)
  chosen = with_bias_correction(settings, num_examples)
  assert chosen.adam_bias_correction is expected
  assert reason in caplog.text


@pytest.mark.parametrize(
  ('arguments', 'changes', 'message'),
  [
    (['--do_eval'], {'layer_decay': 0.9}, '--layer_decay cannot take effect'),
    (['--do_eval'], {'freeze': '1'}, '--freeze cannot .* --do_train is not'),
    (
      ['--do_train'],
      {'freeze': 'encoder', 'layer_decay': 0.9},
      '--layer_decay cannot take effect: --freeze is encoder',
    ),
    (['--do_train'], {'freeze': '3'}, '--freeze=3: expected .* 1 to 2 in this'),
    (
      ['--do_train'],
      {'gradient_accumulation_steps': 3},
      '--train_batch_size=8 cannot be cut .*--gradient_accumulation_steps=3',
    ),
  ],
)
def test_mistakes_are_reported_before_anything_is_written(
  world, arguments, changes, message
):
  with pytest.raises(UserError, match=message):
    _run(world, *arguments, **changes)
  assert not list((world / 'out').glob('*'))


def _configuration(*arguments):
  with tiny_world.parsed('run_classifier', *arguments):
    options = classifier_flags.read()
  return model_config.choose_config(
    options.model, TokenizerRecord('vocab.txt', 100, '')
  )


def test_initializer_range_needs_a_bert_size():
  config = _configuration('--bert_size=2/128', '--initializer_range=0.06')
  assert config.initializer_range == 0.06
  with pytest.raises(UserError, match='initializer_range.*`bert_size`'):
    _configuration('--bert_config_file=x', '--initializer_range=0.06')
