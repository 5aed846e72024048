"""Tests for settings that a model's folder gives.

`teacher_world` holds a classifier trained with 16 tokens, lower-cased.
"""

import json
import shutil

import pytest

from cli import classifier_flags, distillation_flags, pretraining_flags
from system.errors import UserError
from tests.support import tiny_world


def _options(*arguments):
  with tiny_world.parsed('run_classifier', *arguments):
    return classifier_flags.options()


def _flags(world, *changes):
  """Returns an evaluation's flags, without those that a folder gives."""
  return [
    f'--data_dir={world}/task',
    '--task_name=SST-2',
    f'--output_dir={world}/out',
    '--do_eval',
    *changes,
  ]


def _change(folder, **values):
  path = folder / 'model.json'
  path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.slow
def test_a_copied_folder_needs_no_more_flags_and_scores_the_same(
  teacher_world,
):
  best = teacher_world / 'teacher'
  copy = shutil.copytree(best, teacher_world / 'copy')
  for name in ('run.json', 'checkpoints'):
    path = copy / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
  options = _options(*_flags(teacher_world, f'--init_checkpoint={copy}'))
  assert options.tokenizer.vocab_file == str(copy / 'vocab.txt')
  assert options.tokenizer.do_lower_case
  assert options.model.max_seq_length == 16
  flags = _flags(teacher_world, f'--init_checkpoint={copy}')
  tiny_world.run('run_classifier', *flags)
  given = [
    '--max_seq_length=16',
    f'--vocab_file={teacher_world}/vocab.txt',
    f'--init_checkpoint={best}',
    f'--output_dir={teacher_world}/other',
  ]
  tiny_world.run('run_classifier', *_flags(teacher_world, *given))
  results = [
    (teacher_world / name / 'eval_results.txt').read_text()
    for name in ('out', 'other')
  ]
  assert results[0] == results[1]


def test_pre_training_goes_on_with_the_vocabulary_of_its_start(teacher_world):
  with tiny_world.parsed(
    'run_pretraining',
    '--do_train',
    f'--input_file={teacher_world}/vocab.txt',
    f'--init_checkpoint={teacher_world}/teacher',
    f'--output_dir={teacher_world}/out',
    '--max_seq_length=8',
  ):
    options = pretraining_flags.options()
  expected = str(teacher_world / 'teacher' / 'vocab.txt')
  assert options.vocabulary.vocab_file == expected
  # It belongs to the records.
  assert options.model.max_seq_length == 8


def test_a_given_length_stays_with_a_warning(teacher_world, caplog):
  options = _options(
    *_flags(
      teacher_world,
      f'--init_checkpoint={teacher_world}/teacher',
      '--max_seq_length=8',
    ),
  )
  assert options.model.max_seq_length == 8
  assert 'was trained with 16.' in caplog.text
  caplog.clear()
  # A training may choose another length.
  _options(
    *_flags(
      teacher_world,
      *('--do_train', '--train_batch_size=8', '--max_seq_length=8'),
      f'--init_checkpoint={teacher_world}/teacher',
    ),
  )
  assert 'was trained with 16.' not in caplog.text


def test_a_cased_folder_is_obeyed(teacher_world):
  folder = teacher_world / 'teacher'
  (folder / 'tokenizer_config.json').unlink(missing_ok=True)
  _change(folder, do_lower_case=False)
  flags = _flags(teacher_world, f'--init_checkpoint={folder}')
  options = _options(*flags)
  assert not options.tokenizer.do_lower_case


def test_a_contradicting_flag_is_refused(teacher_world):
  folder = teacher_world / 'teacher'
  (folder / 'tokenizer_config.json').unlink(missing_ok=True)
  _change(folder, do_lower_case=False)
  flags = _flags(teacher_world, f'--init_checkpoint={folder}')
  with pytest.raises(UserError, match=r'model\.json says that it is a cased'):
    tiny_world.run('run_classifier', *flags, '--do_lower_case')


def _change_task(folder, **values):
  task = json.loads((folder / 'model.json').read_text())['task']
  _change(folder, task={**task, **values})


def test_a_model_decides_what_its_custom_task_is(teacher_world):
  folder = teacher_world / 'teacher'
  start = f'--init_checkpoint={folder}'
  flags = [*_flags(teacher_world, start), '--task_name=custom']
  task = _options(*flags).task
  assert (task.text_pair_column, task.regression) == (None, False)
  with pytest.raises(UserError, match='=question does not fit the model in '):
    _options(*flags, '--text_pair_column=question')
  _change_task(folder, is_pair=True, labels=[])
  task = _options(*flags).task
  assert (task.text_pair_column, task.regression) == ('sentence2', True)
  task = _options(*flags, '--text_pair_column=question').task
  assert task.text_pair_column == 'question'
  # It may be the start of a model for another task.
  task = _options(*flags, '--do_train').task
  assert (task.text_pair_column, task.regression) == (None, False)


def test_a_start_of_another_kind_is_warned_of(teacher_world, caplog):
  folder = teacher_world / 'teacher'
  flags = [*_flags(teacher_world, f'--init_checkpoint={folder}'), '--do_train']
  flags.append('--task_name=custom')
  _change_task(folder, name='custom', is_pair=True, labels=[])
  _options(*flags)
  for what, name in (
    ('pairs of texts', 'text_pair_column'),
    ('numbers as labels', 'regression'),
  ):
    assert (
      f'was trained on {what}, but this run is not. Is `{name}` missing?'
    ) in caplog.text
  caplog.clear()
  _options(*flags, '--text_pair_column=question', '--regression')
  # A model of a GLUE task is a usual start.
  _change_task(folder, name='RTE', labels=['0', '1'])
  _options(*flags)
  assert 'but this run is not' not in caplog.text


def test_splits_of_a_table_decide_what_their_task_is(teacher_world):
  flags = [*_flags(teacher_world, '--bert_size=2/128'), '--do_train']
  flags += ['--task_name=custom', f'--vocab_file={teacher_world}/vocab.txt']
  settings = {'text_pair_column': 'question', 'regression': True}
  manifest = teacher_world / 'task' / 'split.json'
  manifest.write_text(json.dumps({'settings': settings}))
  task = _options(*flags).task
  assert (task.text_pair_column, task.regression) == ('sentence2', True)
  given = ['--noregression', '--text_pair_column=']
  task = _options(*flags, *given).task
  assert (task.text_pair_column, task.regression) == ('', False)
  for content in ('[]', '{}\n{}\n'):  # Of another program.
    manifest.write_text(content)
    assert _options(*flags).task.text_pair_column is None


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('model.ckpt-60.data-00000-of-00001', 'cannot be read'),
    ('model.json', 'model.json is not valid JSON'),
    ('bert_config.json', 'bert_config.json is not valid JSON'),
  ],
)
def test_a_damaged_run_is_named(teacher_world, name, message):
  path = teacher_world / 'teacher' / name
  path.write_bytes(path.read_bytes()[:50])
  flags = _flags(teacher_world, f'--output_dir={teacher_world}/teacher')
  with pytest.raises(UserError, match=message):
    _options(*flags)


def test_a_dump_is_made_again_with_its_own_length(teacher_world):
  dump = teacher_world / 'dump'
  dump.mkdir()
  flags = ['--do_dump_logits', '--task_name=SST-2', '--max_seq_length=8']
  flags += [f'--data_dir={teacher_world}/task', '--transfer_split=train']
  flags += [f'--teacher_checkpoint={teacher_world}/teacher']
  command = {'script': 'run_distillation', 'flags': flags}
  (dump / 'run.json').write_text(json.dumps({'command': command}))
  again = [f'--from_run={dump}', f'--logits_dir={teacher_world}/new']
  with tiny_world.parsed('run_distillation', *again):
    options = distillation_flags.options()
  assert options.model.max_seq_length == 8


def test_a_run_without_its_configuration_keeps_the_recorded_size(
  teacher_world,
):
  folder = teacher_world / 'teacher'
  content = json.loads((folder / 'run.json').read_text())
  recorded = [
    flag
    for flag in content['command']['flags']
    if not flag.startswith('--bert_config_file')
  ]
  content['command']['flags'] = [*recorded, '--bert_size=2/128']
  (folder / 'run.json').write_text(json.dumps(content))
  again = ['--nodo_train', '--do_eval', f'--output_dir={folder}']
  options = _options(f'--from_run={folder}', *again)
  assert options.model.bert_config_file == str(folder / 'bert_config.json')
  (folder / 'bert_config.json').unlink()
  options = _options(f'--from_run={folder}', *again)
  assert options.model.bert_size == '2/128'
