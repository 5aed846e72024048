"""run_distillation.py: teacher → dump → student → fine-tuned student."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import replicas
import tensorflow as tf
import tiny_dump
import tiny_world

from cli import distillation_flags
from devices import strategies
from distillation import dump_shards, teacher
from modeling import hidden_states
from modeling.checkpoints import loading, location, tensor_bundle
from modeling.configs import BertConfig
from modeling.models import Classifier, released_variables
from system import files, temporary_files
from system.errors import UserError
from training import run_lock


def _dump_flags(world, **changes):
  values = {
    'task_name': 'SST-2',
    'data_dir': world / 'task',
    'vocab_file': world / 'vocab.txt',
    'max_seq_length': 16,
    'logits_dir': world / 'dump',
    'teacher_checkpoint': world / 'teacher',
    'transfer_file': world / 'transfer.txt',
    'transfer_split': 'train',
    'num_logits_shards': 3,
    **changes,
  }
  return [*tiny_world.named_flags(values), '--do_dump_logits']


def _student_flags(world, **changes):
  values = {
    'output_dir': world / 'student',
    'logits_dir': world / 'dump',
    **changes,
  }
  return tiny_world.task_flags(world, **values)


@pytest.fixture(scope='session')
def _dump_world(_teacher_world, tmp_path_factory):
  folder = tmp_path_factory.mktemp('dump_world')
  shutil.copytree(_teacher_world, folder, dirs_exist_ok=True)
  _run(*_dump_flags(folder))
  return folder


@pytest.fixture
def dump_world(_dump_world, tmp_path):
  """A `teacher_world` with its logits in `dump`."""
  return shutil.copytree(_dump_world, tmp_path, dirs_exist_ok=True)


def _run(*arguments):
  tiny_world.run('run_distillation', *arguments)


def _records(world):
  paths = sorted(str(p) for p in (world / 'dump').glob('logits-*-of-00003'))
  return [
    tf.train.Example.FromString(raw.numpy()).features.feature
    for raw in tf.data.TFRecordDataset(paths)
  ]


@pytest.mark.slow
def test_script_dumps_and_distils(teacher_world):
  flags = dict.fromkeys(
    [
      *_dump_flags(teacher_world),
      # With 37 examples and no bias correction, two seeds of four failed.
      *_student_flags(
        teacher_world, num_train_epochs=30, adam_bias_correction=True
      ),
      *['--do_train', '--do_eval', '--do_predict'],
    ]
  )
  done = subprocess.run(
    [sys.executable, 'run_distillation.py', *flags],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert 'Data: transfer 37, dev 11 examples. Labels of ' in done.stderr
  report = (teacher_world / 'student' / 'data_report.json').read_text()
  assert json.loads(report)['splits'].keys() == {'dev', 'test'}
  scores = (teacher_world / 'student' / 'eval_results.txt').read_text()
  accuracy = float(scores.splitlines()[0].removeprefix('eval_accuracy = '))
  assert accuracy > 0.9
  assert (
    len((teacher_world / 'student' / 'test_results.tsv').read_text().split())
    == 14
  )

  # The student is then fine-tuned, head included.
  fine_tuned = _student_flags(
    teacher_world,
    logits_dir=None,
    output_dir=teacher_world / 'pdf',
    init_checkpoint=teacher_world / 'student',
    num_train_epochs=1,
  )
  tiny_world.run(
    'run_classifier', *fine_tuned, '--do_train', '--save_initial_checkpoint'
  )
  student = tf.train.load_checkpoint(str(teacher_world / 'student'))
  start = tf.train.load_checkpoint(str(teacher_world / 'pdf' / 'model.ckpt-0'))
  for name in ('output_weights', 'bert/pooler/dense/kernel'):
    np.testing.assert_array_equal(
      student.get_tensor(name), start.get_tensor(name)
    )


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'train_batch_size': 7, 'gradient_accumulation_steps': 2}, 'train_batch'),
    ({'freeze': 9}, 'freeze'),
    ({'num_train_epochs': 0.001}, 'num_train_epochs'),
    (
      {
        'patient_weight': 1,
        'dump_cls_layers': '1,2',
        'bert_config_file': None,
        'bert_size': '2/128',
      },
      'patient_layers',
    ),
    (
      {'patient_weight': 1, 'dump_cls_layers': '1', 'freeze': 1},
      'patient_weight=1.0 cannot take effect: --freeze=1 keeps',
    ),
    ({'transfer_split': 'test', 'hard_label_weight': 0.5}, 'hard_label_weight'),
  ],
)
def test_a_student_that_cannot_train_is_refused_before_the_dump(
  teacher_world, changes, message
):
  flags = [*_dump_flags(teacher_world), *_student_flags(teacher_world)]
  changed = tiny_world.named_flags(changes)
  if 'bert_size' in changes:
    flags = [x for x in flags if not x.startswith('--bert_config_file')]
  with pytest.raises(UserError, match=f'--{message}'):
    _run(*flags, '--do_train', *changed)
  assert not (teacher_world / 'dump').exists()


@pytest.mark.parametrize('name', ['metrics.jsonl', 'eval_results.txt'])
def test_a_student_s_folder_is_checked_before_the_dump(teacher_world, name):
  (teacher_world / 'student').mkdir()
  (teacher_world / 'student' / name).write_text('mine')
  flags = [*_dump_flags(teacher_world), *_student_flags(teacher_world)]
  with pytest.raises(UserError, match=name):
    _run(*flags, '--do_train', '--do_eval')
  assert not (teacher_world / 'dump').exists()


@pytest.mark.parametrize(
  ('folder', 'flags'),
  [
    ('student', {}),
    ('student/seed-12346', {'num_seeds': 2, 'do_eval': True}),
  ],
)
def test_a_student_s_run_is_checked_before_the_dump(
  teacher_world, folder, flags
):
  shutil.copytree(teacher_world / 'teacher', teacher_world / folder)
  flags = _student_flags(teacher_world, learning_rate=0.5, **flags)
  flags += _dump_flags(teacher_world)
  with pytest.raises(UserError, match='learning_rate: 0.01 there, 0.5 now'):
    _run(*flags, '--do_train')
  assert not (teacher_world / 'dump').exists()


@pytest.mark.parametrize(
  ('name', 'there'),
  [
    *[('temperature', 4.0), ('hard_label_weight', 0.5), ('vocabulary', 'x')],
    *[('do_lower_case', False), ('max_seq_length', 8), ('bert_config', {})],
  ],
)
def test_all_that_is_known_of_a_student_s_run_is_checked_before_the_dump(
  teacher_world, name, there
):
  shutil.copytree(teacher_world / 'teacher', teacher_world / 'student')
  path = teacher_world / 'student' / 'run.json'
  content = json.loads(path.read_text())
  content['configuration'][name] = there
  path.write_text(json.dumps(content))
  flags = [*_dump_flags(teacher_world), *_student_flags(teacher_world)]
  with pytest.raises(UserError, match=f'configuration .{name}: {there!r} ther'):
    _run(*flags, '--do_train')
  assert not (teacher_world / 'dump').exists()


@pytest.mark.parametrize('job', ['--do_eval', '--do_predict'])
def test_a_student_to_evaluate_is_sought_before_the_dump(teacher_world, job):
  flags = _student_flags(teacher_world, num_train_epochs=None)
  with pytest.raises(UserError, match='nothing to evaluate: no checkpoint in'):
    _run(*_dump_flags(teacher_world), *flags, job)
  assert not (teacher_world / 'dump').exists()


@pytest.mark.parametrize(
  'name', ['student/', 'student/dump', 'student/seed-8/dump']
)
def test_a_dump_lies_in_no_folder_of_its_student(teacher_world, name):
  dump = {'logits_dir': f'{teacher_world}/{name}'}
  flags = _dump_flags(teacher_world, **dump)
  seeds = {'seed': 7, 'num_seeds': 2, 'do_eval': True}
  flags += _student_flags(teacher_world, **dump, **seeds)
  with pytest.raises(UserError, match='--logits_dir=.* the student in --outp'):
    _run(*flags, '--do_train')


@pytest.mark.slow
def test_the_teacher_of_a_student_in_the_same_command_gives_the_labels(
  teacher_world,
):
  for name in ('labels.txt', 'model.json'):
    path = teacher_world / 'teacher' / name
    if path.exists():
      path.unlink()
  (teacher_world / 'teacher' / 'labels.txt').write_text('No\nYes\n')
  for split in ('train', 'dev'):
    path = teacher_world / 'task' / f'{split}.tsv'
    head, *rows = path.read_text().splitlines()
    rows = [x.replace('\t0', '\tno').replace('\t1', '\tyes') for x in rows]
    path.write_text('\n'.join([head, *rows]) + '\n')
  custom = {'task_name': 'custom', 'transfer_split': None}
  flags = _dump_flags(teacher_world, **custom)
  flags += _student_flags(teacher_world, **custom, num_train_epochs=1)
  (teacher_world / 'task' / 'train.tsv').unlink()
  _run(*flags, '--do_train')
  manifest = json.loads((teacher_world / 'dump' / 'manifest.json').read_text())
  assert manifest['labels'] == ['No', 'Yes']
  labels = (teacher_world / 'student' / 'labels.txt').read_text()
  assert labels == 'No\nYes\n'


def test_a_dump_leaves_out_dev_and_test_and_has_a_manifest(teacher_world):
  dev = (
    (teacher_world / 'task' / 'dev.tsv')
    .read_text()
    .splitlines()[1]
    .split('\t')[0]
  )
  with open(teacher_world / 'transfer.txt', 'a') as file:
    file.write(dev.upper() + '\nthe film is bad .\n')
  held_out = {
    line.split('\t')[column]
    for split, column in (('dev', 0), ('test', 1))
    for line in (teacher_world / 'task' / f'{split}.tsv')
    .read_text()
    .splitlines()
  }
  given = (teacher_world / 'transfer.txt').read_text().lower().splitlines() + [
    line.split('\t')[0]
    for line in (teacher_world / 'task' / 'train.tsv')
    .read_text()
    .splitlines()[1:]
  ]
  expected = [text for text in given if text not in held_out]

  _run(*_dump_flags(teacher_world))
  records = _records(teacher_world)
  manifest = json.loads((teacher_world / 'dump' / 'manifest.json').read_text())
  assert len(records) == manifest['num_examples'] == len(expected)
  assert manifest['num_held_out'] == len(given) - len(expected) > 0
  assert manifest['labels'] == ['0', '1']
  assert [shard['name'] for shard in manifest['shards']] == [
    f'logits-0000{i}-of-00003' for i in range(3)
  ]
  assert sum(s['num_examples'] for s in manifest['shards']) == len(expected)
  words = [
    ' '.join(
      tiny_world.VOCABULARY[i] for i in record['input_ids'].int64_list.value
    )
    for record in records
  ]
  assert words == [f'[CLS] {text} [SEP]' for text in expected]
  assert records[0]['example_id'].bytes_list.value == [b'transfer.txt:1']
  assert all(len(r['teacher_logits'].float_list.value) == 2 for r in records)
  step = location.locate(str(teacher_world / 'teacher')).step
  results = (teacher_world / 'dump' / 'eval_results.txt').read_text()
  assert f'global_step = {step}\n' in results and step > 0


def test_a_dump_is_the_same_for_every_batch_size(dump_world):
  first = [r['teacher_logits'].float_list.value for r in _records(dump_world)]
  _run(
    *_dump_flags(dump_world, predict_batch_size=3, logits_dir=dump_world / 'b')
  )
  (dump_world / 'dump').rename(dump_world / 'a')
  (dump_world / 'b').rename(dump_world / 'dump')
  second = [r['teacher_logits'].float_list.value for r in _records(dump_world)]
  np.testing.assert_allclose(first, second, atol=1e-5)


def test_an_incomplete_dump_is_continued(dump_world):
  folder = dump_world / 'dump'
  last = folder / 'logits-00002-of-00003'
  whole = {p.name: p.read_bytes() for p in folder.glob('logits-*')}
  for path in (last, folder / 'manifest.json'):
    path.unlink()
  kept = (folder / 'logits-00000-of-00003').stat().st_mtime_ns
  with pytest.raises(UserError, match='no complete dump in .*no manifest.json'):
    _run(*_student_flags(dump_world), '--do_train')
  _run(*_dump_flags(dump_world))
  assert (folder / 'logits-00000-of-00003').stat().st_mtime_ns == kept
  assert {p.name: p.read_bytes() for p in folder.glob('logits-*')} == whole


@pytest.mark.slow
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
  # The refused dump does not reserve the folder for its configuration.
  _run(*_dump_flags(world, max_seq_length=12), '--allow_weak_teacher')
  assert (world / 'dump' / 'manifest.json').exists()


def test_logits_that_are_not_finite_make_no_dump(teacher_world, monkeypatch):
  score = teacher.Teacher.score

  def overflowing(loaded, texts, *arguments):
    scored = score(loaded, texts, *arguments)
    if texts[0].example_id.startswith('train:'):
      scored.logits[1] = np.inf
    return scored

  monkeypatch.setattr(teacher.Teacher, 'score', overflowing)
  with pytest.raises(UserError, match='not finite for 1 of .* for train:'):
    _run(*_dump_flags(teacher_world, transfer_file=None))
  assert not (teacher_world / 'dump' / 'manifest.json').exists()


def test_a_dump_without_a_shard_does_not_reserve_its_folder(
  teacher_world, monkeypatch
):
  def fail(*arguments):
    raise KeyboardInterrupt

  flags = _dump_flags(teacher_world)
  with monkeypatch.context() as patch:
    patch.setattr(dump_shards, 'write', fail)
    with pytest.raises(KeyboardInterrupt):
      _run(*flags)
  folder = teacher_world / 'dump'
  assert (folder / 'dev_logits.npy').exists()
  before = (folder / 'run.json').read_bytes()
  changed = _dump_flags(teacher_world, max_seq_length=12)
  # Another job of the same dump is at work.
  with (
    run_lock.joined(str(folder), 'logits_dir'),
    pytest.raises(
      UserError, match='another configuration .max_seq_length: 16 there, 12 now'
    ),
  ):
    _run(*changed)
  assert (folder / 'run.json').read_bytes() == before
  _run(*changed)
  manifest = json.loads((folder / 'manifest.json').read_text())
  assert manifest['max_seq_length'] == 12
  with pytest.raises(UserError, match='another configuration'):
    _run(*flags)


@pytest.mark.parametrize(
  ('name', 'content'),
  [
    ('labels.txt', 'mine'),
    ('manifest.json', '{}'),
    ('dev_logits.npy', 'mine'),
    ('logits-00000-of-00003', 'mine'),
    ('eval_results.txt', 'mine'),
    ('run.json', '{}'),
    ('run.lock', 'mine'),
  ],
)
def test_a_dump_keeps_files_of_other_programs(teacher_world, name, content):
  folder = teacher_world / 'dump'
  folder.mkdir()
  (folder / name).write_text(content)
  with pytest.raises(UserError, match=f'/dump.*/{name}'):
    _run(*_dump_flags(teacher_world))
  assert (folder / name).read_text() == content


def test_a_dump_keeps_the_record_of_a_run(teacher_world):
  teacher = teacher_world / 'teacher'
  names = ('run.json', 'eval_results.txt')
  (teacher / names[1]).write_text('eval_accuracy = 1.0\n')
  before = [(teacher / name).read_bytes() for name in names]
  with pytest.raises(UserError, match='/teacher holds a run of run_classifier'):
    _run(*_dump_flags(teacher_world, logits_dir=teacher))
  assert [(teacher / name).read_bytes() for name in names] == before


def test_a_run_keeps_the_record_of_a_dump(dump_world):
  before = (dump_world / 'dump' / 'run.json').read_bytes()
  flags = _student_flags(
    dump_world, output_dir=dump_world / 'dump', logits_dir=None
  )
  with pytest.raises(
    UserError, match='/dump holds a logits dump .*/dev_logits'
  ):
    tiny_world.run('run_classifier', *flags, '--do_train')
  assert (dump_world / 'dump' / 'run.json').read_bytes() == before


@pytest.mark.slow
def test_a_dump_is_made_without_dev_if_the_teacher_need_not_be_scored(
  teacher_world, caplog
):
  for split in ('dev', 'test'):
    (teacher_world / 'task' / f'{split}.tsv').unlink()
  flags = _dump_flags(teacher_world)
  with pytest.raises(
    UserError,
    match='the dev split of SST-2: there is no file .*dev.tsv.*The teacher is '
    'scored on it, unless --allow_weak_teacher is given',
  ):
    _run(*flags)
  misspelt = _dump_flags(teacher_world, data_dir='/none')
  with pytest.raises(UserError, match="SST-2: there is no folder '/none'"):
    _run(*misspelt, '--allow_weak_teacher')
  _run(*flags, '--allow_weak_teacher')
  assert 'The teacher is not scored: the dev split' in caplog.text
  manifest = json.loads((teacher_world / 'dump' / 'manifest.json').read_text())
  assert manifest['teacher_scores'] == {} and manifest['dev_split'] == ''
  assert (manifest['num_examples'], manifest['num_held_out']) == (56, 0)
  _run(*_student_flags(teacher_world, num_train_epochs=1), '--do_train')


def test_a_transfer_set_is_a_column_of_a_table(teacher_world):
  table = teacher_world / 'reviews.csv'
  table.write_text('id,review\n7,"a good film, and a plot"\n8,the plot\n')
  flags = {'transfer_split': None, 'num_logits_shards': 1, 'keep_text': True}
  flags = _dump_flags(teacher_world, transfer_file=table, **flags)
  with pytest.raises(
    UserError, match="column 'sentence', found 'id', 'review'"
  ):
    _run(*flags)
  _run(*flags, '--text_column=review')
  rows = dump_shards.read(f'{teacher_world}/dump/logits-00000-of-00001')
  assert [(row.example_id, row.text_a) for row in rows] == [
    ('reviews.csv:2', 'a good film, and a plot'),
    ('reviews.csv:3', 'the plot'),
  ]


def test_a_student_of_another_vocabulary_is_refused(dump_world):
  words = tiny_world.VOCABULARY
  text = '\n'.join([*words[:-2], words[-1], words[-2]]) + '\n'
  (dump_world / 'vocab.txt').write_text(text)
  with pytest.raises(UserError, match='does not fit: vocabulary is'):
    _run(*_student_flags(dump_world), '--do_train')


def test_a_student_of_the_other_casing_is_refused(dump_world):
  flags = _student_flags(dump_world, do_lower_case='false')
  with pytest.raises(UserError, match='do_lower_case is True in the dump'):
    _run(*flags, '--do_train')


def test_a_dump_of_few_texts_has_no_empty_shards(teacher_world):
  (teacher_world / 'transfer.txt').write_text('a film .\na plot .\n')
  _run(*_dump_flags(teacher_world, transfer_split=None))
  manifest = json.loads((teacher_world / 'dump' / 'manifest.json').read_text())
  assert manifest['num_examples'] == 2
  assert len(manifest['shards']) == 2


def test_a_student_of_another_task_is_refused(dump_world):
  flags = _student_flags(dump_world, task_name='custom', labels='1,0')
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
def test_mistakes_are_reported_in_one_message(teacher_world, changes, message):
  with pytest.raises(UserError, match=message):
    _run(*_dump_flags(teacher_world, **changes))


def test_pairs_where_the_task_has_sentences_are_refused(teacher_world):
  (teacher_world / 'transfer.txt').write_text('a film\ta plot\n')
  expected = 'txt:1: found a tab-separated pair, the task needs a single'
  with pytest.raises(UserError, match=expected):
    _run(*_dump_flags(teacher_world))


def _files(folder):
  """Returns a dump's manifest without its teacher's path, and its shards."""
  manifest = json.loads((folder / 'manifest.json').read_text())
  del manifest['teacher']
  return manifest, {p.name: p.read_bytes() for p in folder.glob('logits-*')}


def test_two_jobs_make_the_same_dump_as_one(dump_world, caplog):
  jobs = [
    _dump_flags(
      dump_world, logits_dir=dump_world / 'b', num_dump_jobs=2, dump_job_index=i
    )
    for i in range(2)
  ]
  _run(*jobs[1])
  assert 'logits-00000-of-00003, logits-00002-of-00003 are missing, which ' in (
    caplog.text
  )
  assert '`dump_job_index`=0 write' in caplog.text
  assert 'Wrote the dump' not in caplog.text
  assert [p.name for p in (dump_world / 'b').glob('logits-*-of-00003')] == [
    'logits-00001-of-00003'
  ]
  assert not (dump_world / 'b' / 'manifest.json').exists()
  _run(*jobs[0])
  assert _files(dump_world / 'b') == _files(dump_world / 'dump')
  # The command without the two flags writes what is missing.
  for name in ('manifest.json', 'logits-00000-of-00003'):
    (dump_world / 'b' / name).unlink()
  _run(*_dump_flags(dump_world, logits_dir=dump_world / 'b'))
  assert _files(dump_world / 'b') == _files(dump_world / 'dump')


@pytest.mark.parametrize(
  ('file', 'old', 'new', 'flags', 'name'),
  [
    ('transfer.txt', 'film', 'plot', {}, 'texts'),
    ('task/dev.tsv', '\t1', '\t0', {'allow_weak_teacher': True}, 'dev'),
    ('transfer.txt', '', '', {'keep_text': True}, 'keep_text'),
  ],
)
def test_a_dump_is_not_continued_with_other_texts(
  dump_world, file, old, new, flags, name
):
  (dump_world / 'dump' / 'manifest.json').unlink()
  path = dump_world / file
  path.write_text(path.read_text().replace(old, new, 1))
  with pytest.raises(UserError, match=f'another configuration .{name}: '):
    _run(*_dump_flags(dump_world, **flags))


def test_a_job_with_other_flags_is_refused(dump_world):
  flags = {
    'logits_dir': dump_world / 'b',
    'num_dump_jobs': 2,
    'dump_job_index': 0,
  }
  _run(*_dump_flags(dump_world, **flags))
  flags |= {'dump_job_index': 1, 'num_logits_shards': 4}
  with pytest.raises(UserError, match='num_logits_shards: 3 there, 4 now'):
    _run(*_dump_flags(dump_world, **flags))


def test_a_dump_is_not_continued_in_another_precision(dump_world):
  with pytest.raises(UserError, match="precision: 'float32' there, 'bfloat16'"):
    _run(*_dump_flags(dump_world, precision='bfloat16'))


def test_a_job_that_is_scoring_dev_has_claimed_the_folder(
  dump_world, monkeypatch
):
  folder = dump_world / 'b'
  run_file = folder / 'run.json'

  def score(*args):
    # While the first job scores dev, a job with other flags starts.
    before = run_file.read_text()
    flags = _dump_flags(dump_world, logits_dir=folder, num_logits_shards=4)
    with pytest.raises(UserError, match='num_logits_shards: 3 there, 4 now'):
      _run(*flags)
    assert run_file.read_text() == before
    raise UserError('enough')

  monkeypatch.setattr(teacher, 'load', score)
  flags = {'logits_dir': folder, 'num_dump_jobs': 2, 'dump_job_index': 0}
  with pytest.raises(UserError, match='enough'):
    _run(*_dump_flags(dump_world, **flags))
  assert not run_file.exists()


def test_damaged_dev_logits_are_scored_again(dump_world, caplog):
  folder = dump_world / 'dump'
  whole = (folder / 'dev_logits.npy').read_bytes()
  (folder / 'dev_logits.npy').write_bytes(whole[:-3])
  (folder / 'manifest.json').unlink()
  left = temporary_files.name_for(str(folder / 'logits-00001-of-00003'))
  files.write_text(left, 'half')
  _run(*_dump_flags(dump_world))
  assert 'dev_logits.npy is damaged' in caplog.text
  assert (folder / 'dev_logits.npy').read_bytes() == whole
  # A complete dump needs no temporary files of killed jobs.
  assert not files.exists(left)


def test_a_dump_is_not_continued_with_another_teacher_configuration(
  dump_world,
):
  config = {**tiny_world.CONFIG, 'hidden_act': 'relu'}
  path = dump_world / 'relu.json'
  path.write_text(json.dumps(config))
  with pytest.raises(UserError, match='teacher_config: .*gelu.* there.*relu'):
    _run(*_dump_flags(dump_world, teacher_config_file=path))


def test_a_complete_dump_is_not_changed(dump_world, caplog):
  before = _files(dump_world / 'dump')
  time = (dump_world / 'dump' / 'manifest.json').stat().st_mtime_ns
  _run(*_dump_flags(dump_world))
  assert 'is complete already' in caplog.text
  assert (dump_world / 'dump' / 'manifest.json').stat().st_mtime_ns == time
  assert _files(dump_world / 'dump') == before


def _weights(folder):
  reader = tf.train.load_checkpoint(str(folder))
  return {n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()}


@pytest.mark.slow
def test_two_equal_teachers_teach_like_one(dump_world):
  shutil.copytree(dump_world / 'dump', dump_world / 'twin')
  # The twin has another checksum and the same logits.
  path = dump_world / 'twin' / 'manifest.json'
  manifest = json.loads(path.read_text())
  path.write_text(json.dumps({**manifest, 'teacher_checksum': 'the twin'}))
  flags = {'num_train_epochs': 1, 'dropout_rate': 0.0}
  _run(*_student_flags(dump_world, **flags), '--do_train')
  both = _student_flags(
    dump_world,
    **flags,
    logits_dir=f'{dump_world}/dump,{dump_world}/twin',
    output_dir=dump_world / 'both',
  )
  _run(*both, '--do_train', '--do_eval')
  for name, value in _weights(dump_world / 'student').items():
    np.testing.assert_allclose(
      _weights(dump_world / 'both')[name], value, atol=1e-4, err_msg=name
    )
  assert (
    'eval_teacher_kl' in (dump_world / 'both' / 'eval_results.txt').read_text()
  )


def test_the_teacher_agrees_with_itself(dump_world):
  flags = _student_flags(
    dump_world, init_checkpoint=dump_world / 'teacher', num_train_epochs=None
  )
  _run(*flags, '--do_eval')
  lines = (dump_world / 'student' / 'eval_results.txt').read_text().split('\n')
  scores = dict(line.split(' = ') for line in lines if line)
  assert scores['eval_teacher_accuracy'] == scores['eval_accuracy']
  assert float(scores['eval_teacher_agreement']) == 1.0
  assert abs(float(scores['eval_teacher_kl'])) < 1e-9


def test_a_student_is_compared_with_the_logits_of_its_teacher(dump_world):
  path = dump_world / 'dump' / 'dev_logits.npy'
  ours = np.load(path)
  # Another teacher: always of the other opinion, and more confident.
  theirs = np.ascontiguousarray(2 * ours[:, ::-1])
  np.save(path, theirs)
  flags = _student_flags(
    dump_world, init_checkpoint=dump_world / 'teacher', num_train_epochs=None
  )
  _run(*flags, '--do_eval')
  lines = (dump_world / 'student' / 'eval_results.txt').read_text().split('\n')
  pairs = (line.split(' = ') for line in lines if line)
  scores = {name: float(value) for name, value in pairs}
  assert scores['eval_teacher_accuracy'] == pytest.approx(
    1 - scores['eval_accuracy']
  )
  assert scores['eval_teacher_agreement'] == 0.0
  p, q = (x - np.logaddexp.reduce(x, 1, keepdims=True) for x in (theirs, ours))
  divergence = (np.exp(p) * (p - q)).sum(axis=1).mean()
  assert scores['eval_teacher_kl'] == pytest.approx(divergence, rel=1e-4)


@pytest.mark.slow
def test_a_student_trains_with_hard_labels_and_a_temperature(dump_world):
  # The dump is enough: the task's own files need not be there.
  flags = _student_flags(
    dump_world,
    data_dir=None,
    num_train_epochs=1,
    hard_label_weight=0.5,
    temperature=2.0,
  )
  _run(*flags, '--do_train')
  metrics = (dump_world / 'student' / 'metrics.jsonl').read_text()
  last = json.loads(metrics.splitlines()[-1])
  assert last['hard_loss'] > 0
  np.testing.assert_allclose(
    last['loss'], last['soft_loss'] + last['hard_loss'], rtol=1e-5
  )
  run = json.loads((dump_world / 'student' / 'run.json').read_text())
  assert run['configuration']['temperature'] == 2.0
  assert run['configuration']['hard_label_weight'] == 0.5


@pytest.mark.slow
def test_a_student_of_another_vocabulary_learns_from_kept_text(teacher_world):
  dump = {'transfer_split': None, 'keep_text': True, 'num_logits_shards': 1}
  _run(*_dump_flags(teacher_world, **dump))
  words = tiny_world.VOCABULARY
  other = teacher_world / 'other.txt'
  other.write_text('\n'.join([*words[:-2], words[-1], words[-2]]) + '\n')
  flags = _student_flags(teacher_world, vocab_file=other, num_train_epochs=1)
  _run(*flags, '--do_train')
  (raw,) = tf.data.TFRecordDataset(
    str(teacher_world / 'student' / 'dump' / 'logits-00000-of-00001')
  ).take(1)
  ids = tf.train.Example.FromString(raw.numpy()).features.feature['input_ids']
  # The text is 'the film was good .'; `other` swaps `is` and `was`.
  was = words.index('is')
  assert was in ids.int64_list.value
  assert words.index('was') not in ids.int64_list.value


@pytest.mark.parametrize(
  ('jobs', 'changes', 'message'),
  [
    (['--do_predict'], {}, '--logits_dir cannot take effect'),
    (['--do_eval'], {'temperature': 2}, '--temperature cannot take effect'),
    (['--do_train'], {'keep_text': True}, '--keep_text cannot take effect'),
    (
      ['--do_dump_logits'],
      {'teacher_checkpoint': 'x', 'transfer_split': 'train'},
      '--bert_config_file, --output_dir cannot take effect',
    ),
    (
      ['--do_dump_logits', '--do_train'],
      {
        'teacher_checkpoint': 'x',
        'transfer_split': 'train',
        'num_dump_jobs': 2,
        'dump_job_index': 1,
      },
      'a student needs the whole dump',
    ),
  ],
)
def test_flags_of_another_job_are_refused(world, jobs, changes, message):
  with pytest.raises(UserError, match=message):
    _run(*_student_flags(world, **changes), *jobs)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'seed': 5}, '--seed cannot take effect: there is no student'),
    (
      {'transfer_seed': 7},
      '--transfer_seed cannot .*: neither --max_transfer_examples nor --transf',
    ),
    ({'num_dump_jobs': 2}, '--num_dump_jobs needs --dump_job_index'),
    (
      {'num_dump_jobs': 2, 'dump_job_index': 2},
      '--dump_job_index=2 must be below',
    ),
    ({'transfer_weights': '1,x'}, "'x' is not a finite number"),
    ({'transfer_weights': '1,nan'}, "'nan' is not a finite number"),
    ({'transfer_weights': '1,inf'}, "'inf' is not a finite number"),
    ({'transfer_weights': '1'}, 'has 1 numbers, expected one for each of 2'),
    ({'logits_dir': 'a,b'}, '--logits_dir names 2: a, b'),
  ],
)
def test_invalid_flags_of_a_dump_are_refused(world, changes, message):
  with pytest.raises(UserError, match=message):
    _run(*_dump_flags(world, **changes))


def _options(*arguments):
  with tiny_world.parsed('run_distillation', *arguments):
    return distillation_flags.options()


def test_length_and_casing_are_those_of_the_dump(world, caplog):
  tokenizer = tiny_dump.make_tokenizer(world, tiny_world.VOCABULARY)
  of_dump = {'do_lower_case': False, 'max_seq_length': 6}
  tiny_dump.write(world / 'short', tokenizer, max_seq_length=4)
  tiny_dump.write(world / 'dump', tokenizer, **of_dump)
  dumps = f'{world}/short,{world}/dump'
  flags = {'logits_dir': dumps, 'max_seq_length': None}
  flags = [*_student_flags(world, **flags), '--do_train']
  chosen = _options(*flags)
  assert chosen.model.max_seq_length == 6
  assert chosen.tokenizer.do_lower_case is False
  assert f'`max_seq_length`=6, as {world}/dump says.' in caplog.messages
  assert f'`do_lower_case`=False, as {world}/dump says.' in caplog.messages
  # What the user gives stays.
  chosen = _options(*flags, '--max_seq_length=9', '--do_lower_case')
  assert chosen.model.max_seq_length == 9
  assert chosen.tokenizer.do_lower_case is True
  warning = 'is used, but the dump in {}/dump was made with'
  for name, values in (
    ('max_seq_length', (9, 6)),
    ('do_lower_case', (True, False)),
  ):
    text = f'`{name}`={values[0]} {warning.format(world)} {values[1]}.'
    assert text in caplog.messages
  # Another vocabulary may have another casing.
  other = world / 'other.txt'
  other.write_text('\n'.join([*tiny_world.VOCABULARY[:-1], 'were']) + '\n')
  chosen = _options(*flags, f'--vocab_file={other}')
  assert chosen.tokenizer.do_lower_case is True


def _evaluated(world, *recorded):
  """Returns the options of evaluating a run that was started with flags."""
  (world / 'student').mkdir(exist_ok=True)
  command = {'script': 'run_distillation', 'flags': recorded}
  content = {'configuration': {}, 'command': command}
  (world / 'student' / 'run.json').write_text(json.dumps(content))
  run = f'--from_run={world}/student'
  return _options(run, '--nodo_train', '--do_eval')


def test_a_student_is_evaluated_without_its_dump(world, caplog):
  recorded = [*_student_flags(world), '--do_train']
  assert _evaluated(world, *recorded).dump.logits_dir == ()
  assert 'There is no complete dump in ' in caplog.text
  both = dict.fromkeys([*_dump_flags(world), *recorded])
  chosen = _evaluated(world, *both, '--keep_text')
  assert not chosen.makes_dump and chosen.dump.logits_dir == ()
  # A dump that is there is compared with, and not made again.
  tokenizer = tiny_dump.make_tokenizer(world, tiny_dump.WORDS)
  tiny_dump.write(world / 'dump', tokenizer)
  chosen = _evaluated(world, *both)
  assert not chosen.makes_dump
  assert chosen.dump.logits_dir == (f'{world}/dump',)
  # A folder that the command names must hold a dump.
  flags = _student_flags(world, logits_dir=world / 'none')
  with pytest.raises(UserError, match='no complete dump in .*none'):
    _run(*flags, '--do_eval')


def test_a_dump_alone_repeats_its_command(world):
  (world / 'dump').mkdir()
  recorded = _dump_flags(world, teacher_checkpoint='/none')
  command = {'script': 'run_distillation', 'flags': recorded}
  content = {'configuration': {}, 'command': command}
  (world / 'dump' / 'run.json').write_text(json.dumps(content))
  with pytest.raises(UserError, match='--teacher_checkpoint.*/none'):
    _run(f'--from_run={world}/dump')


def test_hard_labels_that_a_dump_lacks_are_refused(world):
  rows = [row._replace(label=None) for row in tiny_dump.ROWS]
  tokenizer = tiny_dump.make_tokenizer(world, tiny_dump.WORDS)
  tiny_dump.write(world / 'dump', tokenizer, rows=rows)
  flags = _student_flags(world, hard_label_weight=0.5)
  with pytest.raises(UserError, match='no text of the dump has a label'):
    _run(*flags, '--do_train')


def test_a_dump_of_numbers_says_that_its_task_is_regression(world, caplog):
  tokenizer = tiny_dump.make_tokenizer(world, tiny_dump.WORDS)
  tiny_dump.write(world / 'classes', tokenizer)
  numbers = tiny_dump.LOGITS[:, :1]
  tiny_dump.write(world / 'numbers', tokenizer, numbers, labels=[])

  def is_regression(dump, *given):
    values = {'task_name': 'custom', 'data_dir': None, 'logits_dir': dump}
    flags = [*_student_flags(world, **values), '--do_train', *given]
    with tiny_world.parsed('run_distillation', *flags):
      return distillation_flags.options().task.regression

  assert is_regression(world / 'numbers')
  message = f'`regression`=True, as {world}/numbers says.'
  assert caplog.messages.count(message) == 1
  assert not is_regression(world / 'classes')
  for given in ('--noregression', '--labels=a,b'):
    assert not is_regression(world / 'numbers', given)
  assert caplog.messages.count(message) == 1


def _write_pairs(folder):
  """Writes pairs as in STS-B; the score is 5 if the adjectives are equal."""
  words = ['good', 'bad', 'dull']
  rows = [
    f'{i}\tthe film is {a} .\tthe plot is {b} .\t{5.0 if a == b else 0.0}'
    for i, (a, b) in enumerate([(a, b) for a in words for b in words] * 3)
  ]
  header = 'index\tsentence1\tsentence2\tscore'
  folder.mkdir()
  (folder / 'train.tsv').write_text('\n'.join([header, *rows]) + '\n')
  dev = [row.replace(' .', '', 1) for row in rows[:9]]
  (folder / 'dev.tsv').write_text('\n'.join([header, *dev]) + '\n')


@pytest.mark.slow
def test_regression_on_pairs_is_distilled(world):
  _write_pairs(world / 'pairs')
  (world / 'pairs.txt').write_text('a good film\ta bad plot\na film\ta plot\n')
  task = {'task_name': 'STS-B', 'data_dir': world / 'pairs'}
  teacher = _student_flags(
    world, **task, logits_dir=None, output_dir=world / 'teacher'
  )
  tiny_world.run('run_classifier', *teacher, '--do_train')
  dump = {'transfer_file': world / 'pairs.txt', 'max_transfer_examples': 20}
  _run(*_dump_flags(world, **task, **dump), '--allow_weak_teacher')
  records = _records(world)
  assert len(records) == 20
  assert all(len(r['teacher_logits'].float_list.value) == 1 for r in records)
  assert any(1 in r['segment_ids'].int64_list.value for r in records)
  student = _student_flags(
    world, **task, num_train_epochs=1, hard_label_weight=0.5
  )
  with pytest.raises(UserError, match='--temperature=2.0 cannot take effect'):
    _run(*student, '--do_train', '--temperature=2')
  _run(*student, '--do_train', '--do_eval')
  scores = (world / 'student' / 'eval_results.txt').read_text()
  assert 'eval_teacher_mse = ' in scores
  assert 'nan' not in scores


@pytest.fixture(scope='session')
def _states_world(_teacher_world, tmp_path_factory):
  folder = tmp_path_factory.mktemp('states_world')
  shutil.copytree(_teacher_world, folder, dirs_exist_ok=True)
  _run(*_dump_flags(folder, dump_cls_layers='1,2'))
  return folder


@pytest.fixture
def states_world(_states_world, tmp_path):
  """A `teacher_world` with its logits and [CLS] states in `dump`."""
  return shutil.copytree(_states_world, tmp_path, dirs_exist_ok=True)


def test_a_dump_with_states_has_those_of_each_text(states_world):
  manifest = json.loads((states_world / 'dump' / 'manifest.json').read_text())
  assert (manifest['cls_layers'], manifest['cls_size']) == ([1, 2], 8)
  records = _records(states_world)
  model = Classifier(BertConfig(**tiny_world.CONFIG), 2)
  loading.load_released(
    location.locate(str(states_world / 'teacher')), released_variables(model)
  )
  for record in (records[0], records[-1]):
    ids = tf.constant([record['input_ids'].int64_list.value])
    features = {
      'input_ids': ids,
      'input_mask': tf.ones_like(ids),
      'segment_ids': tf.zeros_like(ids),
    }
    expected = hidden_states.of_classifier(model, features, [1, 2])
    np.testing.assert_allclose(
      record['teacher_cls_states'].float_list.value,
      np.ravel(expected['cls_states']),
      atol=1e-5,
    )
    np.testing.assert_allclose(
      record['teacher_logits'].float_list.value,
      np.ravel(expected['logits']),
      atol=1e-5,
    )


def test_layers_that_the_teacher_lacks_are_refused(teacher_world):
  with pytest.raises(UserError, match='--dump_cls_layers=1,3: .* has 2 layers'):
    _run(*_dump_flags(teacher_world, dump_cls_layers='1,3'))


def _patient_flags(world, **changes):
  """Returns the flags of a student that is narrower than its teacher."""
  config = {**tiny_world.CONFIG, 'hidden_size': 4, 'num_hidden_layers': 3}
  (world / 'narrow.json').write_text(json.dumps(config))
  values = {
    'bert_config_file': world / 'narrow.json',
    'patient_weight': 2.0,
    'num_train_epochs': 2,
    'save_checkpoints_steps': 4,
    'log_steps': 1,
    **changes,
  }
  return [*_student_flags(world, **values), '--do_train']


@pytest.mark.slow
def test_a_patient_student_approaches_the_states(states_world):
  _run(*_patient_flags(states_world), '--do_eval', '--do_predict')
  student = states_world / 'student'
  lines = (student / 'metrics.jsonl').read_text().splitlines()
  losses = [json.loads(line)['patient_loss'] for line in lines]
  assert np.mean(losses[-3:]) < 0.8 * losses[0]
  # The map between the widths is not exported, but a run resumes with it.
  names = tf.train.load_checkpoint(str(student)).get_variable_to_shape_map()
  assert not [name for name in names if 'patience' in name]
  saved = tensor_bundle.read(f'{student}/checkpoints/ckpt-{len(lines)}')
  assert saved['model/patience/projection'].shape == (2, 4, 8)
  run = json.loads((student / 'run.json').read_text())['configuration']
  assert (run['patient_weight'], run['patient_layers']) == (2.0, [1, 2])


@pytest.mark.slow
def test_a_patient_student_resumes_with_the_same_bytes(states_world):
  _run(*_patient_flags(states_world))
  student = states_world / 'student'
  whole = {p.name: p.read_bytes() for p in student.glob('model.ckpt-*')}
  last = max(int(name.split('-')[1].split('.')[0]) for name in whole)
  for path in student.rglob(f'*ckpt-{last}.*'):
    path.unlink()
  _run(*_patient_flags(states_world))
  again = {p.name: p.read_bytes() for p in student.glob('model.ckpt-*')}
  assert again == whole
  with pytest.raises(UserError, match='patient_weight: 2.0 there, 1.0 now'):
    _run(*_patient_flags(states_world, patient_weight=1.0))


@pytest.mark.slow
def test_a_patient_student_is_the_same_on_two_replicas(
  states_world, monkeypatch
):
  _run(*_patient_flags(states_world))
  expected = _weights(states_world / 'student')
  strategy = replicas.mirrored()
  monkeypatch.setattr(strategies, 'make_strategy', lambda options: strategy)
  changes = {'output_dir': states_world / 'both'}
  changes['gradient_accumulation_steps'] = 2
  _run(*_patient_flags(states_world, **changes))
  for name, value in _weights(states_world / 'both').items():
    # A key's bias changes no attention. Its gradient is only rounding, which
    # Adam makes as large as a step.
    tolerance = 1e-3 if name.endswith('key/bias') else 1e-5
    np.testing.assert_allclose(
      value, expected[name], atol=tolerance, err_msg=name
    )


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({}, '--patient_weight=2.0 .* dump in .* has no .CLS. .*_cls_layers'),
    ({'patient_weight': None, 'patient_layers': '1'}, 'patient_layers cannot'),
    ({'patient_layers': '2,1'}, '--patient_layers=2,1: expected ascending'),
    ({'freeze': 'encoder'}, 'patient_weight cannot take effect: --freeze is'),
  ],
)
def test_patient_kd_that_cannot_take_effect_is_refused(
  dump_world, changes, message
):
  with pytest.raises(UserError, match=message):
    _run(*_patient_flags(dump_world, **changes))


def test_a_patient_student_needs_the_states_of_its_own_dump(teacher_world):
  flags = [*_dump_flags(teacher_world), *_patient_flags(teacher_world)]
  with pytest.raises(UserError, match='2.0 needs --dump_cls_layers: the dump'):
    _run(*dict.fromkeys(flags))


@pytest.mark.slow
def test_a_student_is_calibrated(dump_world, caplog):
  jobs = ['--do_train', '--do_eval', '--calibrate']
  # One wrong label: no temperature is the best if all predictions are right.
  path = dump_world / 'task' / 'dev.tsv'
  lines = path.read_text().splitlines()
  text, label = lines[1].split('\t')
  lines[1] = f'{text}\t{1 - int(label)}'
  path.write_text('\n'.join(lines) + '\n')
  flags = {'num_train_epochs': 20, 'adam_bias_correction': True}
  _run(*_student_flags(dump_world, **flags), *jobs)
  assert 'Calibrated on the 11 examples of dev: temperature' in caplog.text
  model = json.loads((dump_world / 'student' / 'model.json').read_text())
  assert model['temperature'] > 0
