"""run_distillation.py: teacher → dump → student → fine-tuned student."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_world

from data.errors import UserError


def _flags(world, **changes):
  values = {
    'task_name': 'SST-2',
    'data_dir': world / 'task',
    'vocab_file': world / 'vocab.txt',
    'logits_dir': world / 'dump',
    **changes,
  }
  named = [f'--{k}={v}' for k, v in values.items() if v is not None]
  return ['--max_seq_length=16', *named]


def _dump_flags(world, **changes):
  values = {
    'teacher_checkpoint': world / 'teacher',
    'transfer_file': world / 'transfer.txt',
    'transfer_split': 'train',
    'num_logits_shards': 3,
    **changes,
  }
  return [*_flags(world, **values), '--do_dump_logits']


def _student_flags(world, **changes):
  values = {
    'bert_config_file': world / 'bert_config.json',
    'output_dir': world / 'student',
    'learning_rate': 1e-2,
    'num_train_epochs': 10,
    'train_batch_size': 8,
    **changes,
  }
  return _flags(world, **values)


@pytest.fixture
def teacher(world):
  flags = _student_flags(world, output_dir=world / 'teacher', logits_dir=None)
  tiny_world.run('run_classifier', *flags, '--do_train')
  return world / 'teacher'


def _run(*arguments):
  tiny_world.run('run_distillation', *arguments)


def _records(world):
  paths = sorted(str(p) for p in (world / 'dump').glob('logits-*-of-00003'))
  return [
    tf.train.Example.FromString(raw.numpy()).features.feature
    for raw in tf.data.TFRecordDataset(paths)
  ]


def test_script_dumps_and_distils(world, teacher):
  for arguments in (
    _dump_flags(world),
    [*_student_flags(world), '--do_train', '--do_eval', '--do_predict'],
  ):
    done = subprocess.run(
      [sys.executable, 'run_distillation.py', *arguments],
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stderr
  scores = (world / 'student' / 'eval_results.txt').read_text()
  accuracy = float(scores.splitlines()[0].removeprefix('eval_accuracy = '))
  assert accuracy > 0.9
  assert len((world / 'student' / 'test_results.tsv').read_text().split()) == 14

  # PDF: the student is fine-tuned, head included.
  fine_tuned = _student_flags(
    world,
    logits_dir=None,
    output_dir=world / 'pdf',
    init_checkpoint=world / 'student',
    num_train_epochs=1,
  )
  tiny_world.run('run_classifier', *fine_tuned, '--do_train')
  student = tf.train.load_checkpoint(str(world / 'student'))
  start = tf.train.load_checkpoint(str(world / 'pdf' / 'model.ckpt-0'))
  for name in ('output_weights', 'bert/pooler/dense/kernel'):
    np.testing.assert_array_equal(
      student.get_tensor(name), start.get_tensor(name)
    )


def test_a_dump_leaves_dev_and_test_out_and_says_what_it_is(world, teacher):
  dev = (world / 'task' / 'dev.tsv').read_text().splitlines()[1].split('\t')[0]
  with open(world / 'transfer.txt', 'a') as file:
    file.write(dev.upper() + '\nthe film is bad .\n')
  held_out = {
    line.split('\t')[column]
    for split, column in (('dev', 0), ('test', 1))
    for line in (world / 'task' / f'{split}.tsv').read_text().splitlines()
  }
  given = (world / 'transfer.txt').read_text().lower().splitlines() + [
    line.split('\t')[0]
    for line in (world / 'task' / 'train.tsv').read_text().splitlines()[1:]
  ]
  expected = [text for text in given if text not in held_out]

  _run(*_dump_flags(world))
  records = _records(world)
  manifest = json.loads((world / 'dump' / 'manifest.json').read_text())
  assert len(records) == manifest['num_examples'] == len(expected)
  assert manifest['num_held_out'] == len(given) - len(expected) > 0
  assert manifest['labels'] == ['0', '1']
  assert manifest['shards'] == [f'logits-0000{i}-of-00003' for i in range(3)]
  words = [
    ' '.join(
      tiny_world.VOCABULARY[i] for i in record['input_ids'].int64_list.value
    )
    for record in records
  ]
  assert words == [f'[CLS] {text} [SEP]' for text in expected]
  assert records[0]['example_id'].bytes_list.value == [b'transfer.txt:1']
  assert all(len(r['teacher_logits'].float_list.value) == 2 for r in records)


def test_a_dump_is_the_same_for_every_batch_size(world, teacher):
  _run(*_dump_flags(world, predict_batch_size=3))
  first = [r['teacher_logits'].float_list.value for r in _records(world)]
  _run(*_dump_flags(world, predict_batch_size=64, logits_dir=world / 'b'))
  (world / 'dump').rename(world / 'a')
  (world / 'b').rename(world / 'dump')
  second = [r['teacher_logits'].float_list.value for r in _records(world)]
  np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_dump_goes_on_where_it_stopped(world, teacher):
  _run(*_dump_flags(world))
  folder = world / 'dump'
  last = folder / 'logits-00002-of-00003'
  whole = {p.name: p.read_bytes() for p in folder.glob('logits-*')}
  for path in (last, folder / 'manifest.json'):
    path.unlink()
  kept = (folder / 'logits-00000-of-00003').stat().st_mtime_ns
  with pytest.raises(UserError, match='no whole dump in .*no manifest.json'):
    _run(*_student_flags(world), '--do_train')
  _run(*_dump_flags(world))
  assert (folder / 'logits-00000-of-00003').stat().st_mtime_ns == kept
  assert {p.name: p.read_bytes() for p in folder.glob('logits-*')} == whole


def test_a_teacher_at_chance_level_is_refused_unless_allowed(world):
  flags = _student_flags(
    world,
    output_dir=world / 'teacher',
    logits_dir=None,
    learning_rate=0.0,
    num_train_epochs=1,
  )
  tiny_world.run('run_classifier', *flags, '--do_train')
  with pytest.raises(UserError, match='teacher .* is at chance level on dev'):
    _run(*_dump_flags(world))
  assert not (world / 'dump' / 'manifest.json').exists()
  _run(*_dump_flags(world), '--allow_weak_teacher')
  assert (world / 'dump' / 'manifest.json').exists()


def test_a_student_of_another_vocabulary_is_refused(world, teacher):
  _run(*_dump_flags(world))
  words = tiny_world.VOCABULARY
  text = '\n'.join([*words[:-2], words[-1], words[-2]]) + '\n'
  (world / 'vocab.txt').write_text(text)
  with pytest.raises(UserError, match='does not fit: vocabulary is'):
    _run(*_student_flags(world), '--do_train')


def test_a_student_of_another_task_is_refused(world, teacher):
  _run(*_dump_flags(world))
  flags = _student_flags(world, task_name='custom', labels='1,0')
  with pytest.raises(UserError, match="task is 'SST-2' in the dump, 'custom'"):
    _run(*flags, '--do_train')


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'teacher_checkpoint': None}, '--teacher_checkpoint must be given'),
    ({'teacher_checkpoint': '/none'}, '/none'),
    ({'transfer_file': None, 'transfer_split': None}, 'give --transfer_file'),
    ({'transfer_file': '/none'}, "no file matches '/none'"),
    ({'logits_dir': None}, '--logits_dir must be given'),
  ],
)
def test_mistakes_are_told_in_one_message(world, teacher, changes, message):
  with pytest.raises(UserError, match=message):
    _run(*_dump_flags(world, **changes))


def test_pairs_where_the_task_has_sentences_are_refused(world, teacher):
  (world / 'transfer.txt').write_text('a film\ta plot\n')
  with pytest.raises(UserError, match='transfer.txt:1: the task has single'):
    _run(*_dump_flags(world))
