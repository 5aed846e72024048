"""run_classifier.py: from a task's files to scores and predictions."""

import json
import os
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

from data.tasks import custom, glue
from system.errors import UserError
from training import task_job
from training.evaluation_options import TaskEvaluationOptions
from training.task_folder import TaskFolder


def _run(world, *arguments, **changes):
  flags = tiny_world.task_flags(world, **changes)
  tiny_world.run('run_classifier', *flags, *arguments)


@pytest.mark.slow
def test_script_trains_evaluates_and_predicts(world):
  command = [
    *[sys.executable, 'run_classifier.py', *tiny_world.task_flags(world)],
    *['--do_train', '--do_eval', '--do_predict'],
  ]
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  out = world / 'out'
  # The log describes the data before the first step.
  start = done.stderr[: done.stderr.index('step 60 of 60')]
  assert 'Data: train 48, dev 11, test 7 examples. Labels of train: ' in start
  report = json.loads((out / 'data_report.json').read_text())
  assert report['splits']['train']['num_examples'] == 48
  lines = (out / 'eval_results.txt').read_text().splitlines()
  scores = dict(line.split(' = ') for line in lines)
  assert sorted(scores) == [
    *['eval_accuracy', 'eval_expected_calibration_error', 'eval_loss'],
    *['global_step', 'loss'],
  ]
  assert scores['global_step'] == '60'
  # 11 examples in batches of 8: each counts once.
  assert float(scores['eval_accuracy']) * 11 % 1 == pytest.approx(0, abs=1e-6)
  assert float(scores['eval_accuracy']) > 0.9
  rows = np.loadtxt(out / 'test_results.tsv', delimiter='\t')
  assert rows.shape == (7, 2)
  np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-6)
  assert 'step 60 of 60' in done.stderr and 'examples/s' in done.stderr
  assert 'InitializeLog' not in done.stderr  # XLA's chatter.


def test_help_shows_shared_flags_without_tensorflow():
  done = subprocess.run(
    [sys.executable, '-X', 'importtime', 'run_classifier.py', '--help'],
    capture_output=True,
    text=True,
  )
  assert 'tensorflow' not in done.stderr
  for name in (
    'task_name',
    'init_checkpoint',
    'num_tpu_cores',
    'do_lower_case',
  ):
    assert f'--{name}:' in done.stdout or f'--[no]{name}:' in done.stdout


def test_a_finished_run_is_not_repeated_and_can_still_be_evaluated(
  teacher_world, caplog
):
  caplog.set_level('INFO')
  teacher = teacher_world / 'teacher'
  weights = teacher / 'model.ckpt-60.data-00000-of-00001'
  before = weights.read_bytes()
  _run(teacher_world, '--do_train', '--do_eval', output_dir=teacher)
  assert 'This run has finished: all 60 steps are done' in caplog.text
  assert (teacher / 'eval_results.txt').exists()
  assert weights.read_bytes() == before


@pytest.mark.slow
def test_regression_predicts_numbers(world):
  header = 'index\tsentence1\tsentence2\tscore'
  rows = [f'{i}\tthe film\tthe plot\t{i % 5}.5' for i in range(16)]
  for split in ('train', 'dev'):
    path = world / 'task' / f'{split}.tsv'
    path.write_text('\n'.join([header, *rows]) + '\n')
  (world / 'task' / 'test.tsv').write_text(
    'index\tsentence1\tsentence2\n0\ta film\tthe plot\n'
  )
  _run(
    world,
    *['--do_train', '--do_eval', '--do_predict'],
    task_name='STS-B',
    num_train_epochs=1,
  )
  assert 'eval_pearson' in (world / 'out' / 'eval_results.txt').read_text()
  (number,) = (world / 'out' / 'test_results.tsv').read_text().splitlines()
  assert np.isfinite(float(number))


@pytest.mark.slow
def test_a_head_of_another_task_is_initialised_and_named(teacher_world, caplog):
  caplog.set_level('INFO')
  for split in ('train', 'dev', 'test'):
    path = teacher_world / 'task' / f'{split}.tsv'
    path.write_text('sentence\tlabel\nthe film\tx\na plot\ty\nthe plot\tz\n')
  _run(
    teacher_world,
    *('--do_train', '--save_initial_checkpoint'),
    task_name='custom',
    labels='x,y,z',
    train_batch_size=3,
    num_train_epochs=1,
    init_checkpoint=teacher_world / 'teacher',
  )
  assert 'output_weights (checkpoint [2, 8], model [3, 8])' in caplog.text
  teacher = tf.train.load_checkpoint(str(teacher_world / 'teacher'))
  start = tf.train.load_checkpoint(str(teacher_world / 'out' / 'model.ckpt-0'))
  name = 'bert/embeddings/word_embeddings'
  np.testing.assert_array_equal(
    teacher.get_tensor(name), start.get_tensor(name)
  )


@pytest.mark.parametrize(
  ('arguments', 'changes', 'message'),
  [
    ([], {}, 'at least one of --do_train, --do_eval'),
    (['--do_train'], {'task_name': None}, '--task_name must be given'),
    (['--do_train'], {'task_name': 'sst'}, "unknown task 'sst'; .*custom"),
    (['--do_train'], {'data_dir': '/none'}, "no folder '/none'"),
    (['--do_train'], {'vocab_file': '/none'}, "no file '/none'"),
    (['--do_train'], {'bert_config_file': '/none'}, '/none'),
    (['--do_train'], {'bert_size': 'tiny'}, 'either --bert_config_file or'),
    (['--do_train'], {'max_seq_length': 64}, '64 is more than .* 32 positions'),
    (['--do_train'], {'init_checkpoint': '/none/x'}, '/none/x'),
    (['--do_train'], {'num_train_epochs': 0.01}, 'is less than one step'),
    (['--do_train'], {'labels': 'a,b'}, '--labels cannot take effect'),
    (['--do_train'], {'tpu_name': 'x'}, '--tpu_name cannot take effect'),
    (['--do_eval'], {}, 'there is nothing to evaluate'),
    (['--do_eval'], {'eval_split': 'test'}, 'test.tsv has no labels'),
    (
      ['--do_train'],
      {'output_dir': '/proc/none'},
      'cannot write to /proc/none',
    ),
  ],
)
def test_mistakes_are_reported_in_one_message(
  world, arguments, changes, message
):
  with pytest.raises(UserError, match=message):
    _run(world, *arguments, **changes)


@pytest.mark.slow
def test_the_name_of_a_released_model_says_its_casing(teacher_world, caplog):
  folder = teacher_world / 'cased_L-12_H-768_A-12'
  shutil.copytree(teacher_world / 'teacher', folder)
  for name in ('model.json', 'run.json'):
    (folder / name).unlink()
  flags = {'init_checkpoint': folder, 'num_train_epochs': 0.25}
  with pytest.raises(
    UserError, match='--do_lower_case=True does not fit .* is a cased model'
  ):
    _run(teacher_world, '--do_train', **flags, do_lower_case=True)
  _run(teacher_world, '--do_train', **flags)
  assert f'`do_lower_case`=False, as {folder} says' in caplog.text


def test_a_malformed_row_is_named_by_file_and_line(world):
  with open(world / 'task' / 'train.tsv', 'a') as file:
    file.write('no label\n')
  with pytest.raises(UserError, match='train.tsv, line 50: found 1 columns'):
    _run(world, '--do_train')
  assert not (world / 'out').exists()


def test_an_unknown_label_is_named_by_file_and_line(world):
  with open(world / 'task' / 'train.tsv', 'a') as file:
    file.write('a film\tmaybe\n')
  with pytest.raises(UserError, match="line 50: unknown label 'maybe'"):
    _run(world, '--do_train')


def test_a_vocabulary_of_another_size_is_refused(world):
  with open(world / 'vocab.txt', 'a') as file:
    file.write('more\n')
  with pytest.raises(UserError, match='has 21 entries.* vocab_size 20'):
    _run(world, '--do_train')


def test_another_configuration_in_the_same_folder_is_refused(teacher_world):
  teacher = teacher_world / 'teacher'
  before = (teacher / 'run.json').read_text()
  with pytest.raises(UserError, match='learning_rate: 0.01 there, 0.02 now'):
    _run(teacher_world, '--do_train', output_dir=teacher, learning_rate=2e-2)
  assert (teacher / 'run.json').read_text() == before
  assert json.loads(before)['configuration']['num_train_examples'] == 48


def test_a_refused_command_leaves_the_records_of_the_other_run(teacher_world):
  teacher = teacher_world / 'teacher'
  before = (teacher / 'train.tf_record').read_bytes()
  with open(teacher_world / 'task' / 'train.tsv', 'a') as file:
    file.write('one more film\t1\n')
  with pytest.raises(UserError, match='num_train_examples: 48 there, 49 now'):
    _run(teacher_world, '--do_train', output_dir=teacher)
  assert (teacher / 'train.tf_record').read_bytes() == before


def test_another_label_of_a_training_example_is_another_run(teacher_world):
  path = teacher_world / 'task' / 'train.tsv'
  path.write_text(path.read_text().replace('\t1', '\t0', 1))
  teacher = teacher_world / 'teacher'
  with pytest.raises(UserError, match='configuration .train_data: '):
    _run(teacher_world, '--do_train', output_dir=teacher)


def test_the_labels_of_a_custom_task_are_part_of_a_run_s_identity():
  tokenizer = types.SimpleNamespace(do_lower_case=True, vocab_checksum='x')
  task = custom.classification(('b', 'a'))
  folder = TaskFolder(task, tokenizer, 16, 'out')
  assert task_job.task_identity(folder) == {
    'do_lower_case': True,
    'labels': ['b', 'a'],
    'task_name': 'custom',
    'vocabulary': 'x',
  }
  folder = TaskFolder(glue.get_task('SST-2'), tokenizer, 16, 'out')
  assert task_job.task_identity(folder)['labels'] is None


def test_results_of_mnli_s_mismatched_split_are_protected_too(tmp_path):
  (tmp_path / 'eval_results_mismatched.txt').write_text('mine')
  jobs = TaskEvaluationOptions(do_eval=True)
  task_job.check_results(str(tmp_path), glue.get_task('SST-2'), jobs)
  with pytest.raises(UserError, match='eval_results_mismatched.txt is not the'):
    task_job.check_results(str(tmp_path), glue.get_task('MNLI'), jobs)


def test_another_vocabulary_than_the_checkpoints_is_refused(teacher_world):
  words = tiny_world.VOCABULARY
  swapped = [*words[:-2], words[-1], words[-2]]
  (teacher_world / 'vocab.txt').write_text('\n'.join(swapped) + '\n')
  with pytest.raises(
    UserError, match='not the vocabulary of --init_checkpoint'
  ):
    _run(teacher_world, '--do_train', init_checkpoint=teacher_world / 'teacher')


@pytest.mark.slow
def test_the_script_mirrors_over_logical_cpus(world):
  flags = tiny_world.task_flags(world, num_train_epochs=1)
  mirrored = ['--distribution_strategy=mirrored', '--num_cpu_devices=2']
  done = subprocess.run(
    [sys.executable, 'run_classifier.py', *flags, *mirrored, '--do_train'],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert 'step 6 of 6' in done.stderr


@pytest.mark.slow
def test_the_script_trains_where_ops_must_be_deterministic(world):
  # TensorFlow's own clock raises an error there.
  flags = tiny_world.task_flags(world, num_train_epochs=1)
  done = subprocess.run(
    [sys.executable, 'run_classifier.py', *flags, '--do_train'],
    capture_output=True,
    text=True,
    env={**os.environ, 'TF_DETERMINISTIC_OPS': '1'},
  )
  assert done.returncode == 0, done.stderr
  assert 'step 6 of 6' in done.stderr


def test_a_run_is_evaluated_without_naming_its_files(teacher_world):
  teacher = teacher_world / 'teacher'
  _run(teacher_world, '--do_eval', output_dir=teacher)
  expected = (teacher / 'eval_results.txt').read_text()
  (teacher / 'eval_results.txt').unlink()
  unnamed = {'bert_config_file': None, 'vocab_file': None}
  _run(teacher_world, '--do_eval', output_dir=teacher, **unnamed)
  assert (teacher / 'eval_results.txt').read_text() == expected
  with pytest.raises(UserError, match='^--vocab_file must be given'):
    _run(teacher_world, '--do_train', output_dir=teacher, **unnamed)


def test_a_file_of_texts_is_predicted_with_the_folder_alone(teacher_world):
  teacher, texts = teacher_world / 'teacher', teacher_world / 'texts.txt'
  test = teacher_world / 'task' / 'test.tsv'
  sentences = [row.split('\t')[1] for row in test.read_text().splitlines()[1:]]
  texts.write_text('\n'.join(sentences) + '\n')
  _run(teacher_world, '--do_predict', output_dir=teacher)
  expected = (teacher / 'test_results.tsv').read_text()
  unnamed = dict.fromkeys(
    ('bert_config_file', 'vocab_file', 'data_dir', 'max_seq_length')
  )
  flags = {**unnamed, 'output_dir': teacher, 'predict_file': texts}
  (teacher / 'test_results.tsv').unlink()
  _run(teacher_world, '--do_predict', **flags)
  assert (teacher / 'test_results.tsv').read_text() == expected
  ids = (teacher / 'predictions.tsv').read_text().splitlines()[1:]
  assert [row.split('\t')[0] for row in ids] == [
    str(n) for n in range(1, len(sentences) + 1)
  ]
  texts.write_text('the film\n\n')
  with pytest.raises(UserError, match='texts.txt, line 2: a text is blank'):
    _run(teacher_world, '--do_predict', **flags)
  with pytest.raises(UserError, match='--predict_split cannot take effect'):
    _run(teacher_world, '--do_predict', predict_split='dev', **flags)
  with pytest.raises(UserError, match='^--data_dir must be given'):
    _run(teacher_world, '--do_predict', '--do_eval', **flags)


@pytest.mark.slow
def test_a_named_checkpoint_is_evaluated_or_refused(teacher_world):
  teacher = teacher_world / 'teacher'
  before = sorted(path.name for path in teacher.iterdir())
  with pytest.raises(
    UserError,
    match='--init_checkpoint names .*/model.ckpt-0, but the run in .*/teacher '
    'would be evaluated: .*/model.ckpt-60. Leave out --init_checkpoint',
  ):
    _run(
      *(teacher_world, '--do_eval'),
      output_dir=teacher,
      init_checkpoint=teacher / 'model.ckpt-0',
    )
  assert sorted(path.name for path in teacher.iterdir()) == before
  for same in (teacher, teacher / 'model.ckpt-60'):
    _run(
      *(teacher_world, '--do_eval'), output_dir=teacher, init_checkpoint=same
    )
  assert 'global_step = 60' in (teacher / 'eval_results.txt').read_text()


def _with(world, **changes):
  config = {**tiny_world.CONFIG, **changes}
  (world / 'config.json').write_text(json.dumps(config))
  return world / 'config.json'


def _with_layers(world, num_layers):
  return _with(world, num_hidden_layers=num_layers)


@pytest.mark.parametrize(
  ('config', 'changes', 'message'),
  [
    (
      {'max_position_embeddings': 64},
      {},
      r'model.ckpt-60 has 32 positions .* the model 64\. --extend_positions '
      'keeps the 32',
    ),
    (
      {'max_position_embeddings': 16},
      {'extend_positions': True},
      'has 32 positions .* the model 16: expected as many',
    ),
    ({}, {'max_seq_length': 33}, '33 is more than .* 32 .* --extend_positions'),
    (
      {},
      {'extend_positions': True, 'init_checkpoint': None},
      '--extend_positions cannot take effect: the model has 32 positions',
    ),
    ({'type_vocab_size': 16}, {}, 'has type_vocab_size 2, the model 16'),
    (
      {'type_vocab_size': 1},
      {'task_name': 'STS-B', 'data_dir': 'pairs', 'init_checkpoint': None},
      'STS-B has pairs, .* segment 1: the .* type_vocab_size 1, expected 2',
    ),
  ],
)
def test_tables_that_do_not_fit_are_refused_before_anything_is_written(
  teacher_world, config, changes, message
):
  pairs = teacher_world / 'pairs'
  pairs.mkdir()
  header = 'index\tsentence1\tsentence2\tscore'
  (pairs / 'train.tsv').write_text(f'{header}\n0\tthe film\tthe plot\t1.5\n')
  if 'data_dir' in changes:
    changes = {**changes, 'data_dir': pairs}
  values = {
    'bert_config_file': _with(teacher_world, **config),
    'init_checkpoint': teacher_world / 'teacher',
    **changes,
  }
  with pytest.raises(UserError, match=message):
    _run(teacher_world, '--do_train', **values)
  assert not (teacher_world / 'out').exists()


@pytest.mark.slow
@pytest.mark.parametrize(
  ('init', 'source'), [('bottom_layers', 0), ('every_kth_layer', 1)]
)
def test_a_run_starts_from_layers_of_a_deeper_checkpoint(
  teacher_world, init, source, caplog
):
  _run(
    teacher_world,
    *('--do_train', '--save_initial_checkpoint'),
    init=init,
    init_checkpoint=teacher_world / 'teacher',
    bert_config_file=_with_layers(teacher_world, 1),
    num_train_epochs=1,
  )
  theirs = tf.train.load_checkpoint(str(teacher_world / 'teacher'))
  ours = tf.train.load_checkpoint(str(teacher_world / 'out' / 'model.ckpt-0'))
  kernel = 'bert/encoder/layer_{}/intermediate/dense/kernel'
  np.testing.assert_array_equal(
    ours.get_tensor(kernel.format(0)), theirs.get_tensor(kernel.format(source))
  )
  assert f'; from its layers {source}; ' in caplog.text
  assert 'A warm start: step 0' in caplog.text
  run = json.loads((teacher_world / 'out' / 'run.json').read_text())
  assert run['configuration']['init'] == init


@pytest.mark.parametrize(
  ('arguments', 'changes', 'message'),
  [
    (['--do_train'], {'init': 'word_embeddings'}, '--init_checkpoint is not'),
    (['--do_eval'], {'init': 'bottom_layers'}, '--init cannot take effect'),
    (['--do_train'], {'init_checkpoint': 'teacher'}, 'has 2 layers, the model'),
    (
      ['--do_train'],
      {
        'init_checkpoint': 'teacher',
        'init': 'bottom_layers',
        'bert_config_file': None,
      },
      '--init=bottom_layers cannot take effect: without --bert_size or',
    ),
  ],
)
def test_impossible_starts_are_refused(
  teacher_world, arguments, changes, message
):
  values = {'bert_config_file': _with_layers(teacher_world, 3), **changes}
  if 'init_checkpoint' in changes:
    values['init_checkpoint'] = teacher_world / 'teacher'
  with pytest.raises(UserError, match=message):
    _run(teacher_world, *arguments, **values)
  assert not (teacher_world / 'out' / 'train.tf_record').exists()


def test_a_trained_model_is_not_evaluated_with_another_vocabulary(
  teacher_world,
):
  words = (teacher_world / 'vocab.txt').read_text().split()
  other = teacher_world / 'other.txt'
  other.write_text('\n'.join([*words[:5], *reversed(words[5:])]) + '\n')
  flags = tiny_world.task_flags(
    teacher_world, output_dir=teacher_world / 'teacher', vocab_file=other
  )
  with pytest.raises(UserError, match='other.txt is not the vocabulary of'):
    tiny_world.run('run_classifier', *flags, '--do_eval')
