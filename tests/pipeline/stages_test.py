"""The commands of a plan, for each kind of teacher."""

import dataclasses
import json
import os
import shlex
import types

import numpy as np
import pytest
import tiny_pipeline

from data.tasks import labelled
from modeling import configs
from pipeline import defaults, estimates, stages
from pipeline.models import (
  DUMP,
  ENCODER,
  FINE_TUNED,
  HUGGING_FACE,
  Models,
  Teacher,
)
from pipeline.plan import Plan
from pipeline.text_statistics import TextStatistics
from system import files


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_pipeline.make_texts(tmp_path_factory.mktemp('texts'))


def _plan(folder, kind=ENCODER, vocab_file='v', is_converted=False, **changes):
  dump = {'teacher': None, 'logits_dir': 'logits', 'transfer_file': ()}
  changes = {**(dump if kind == DUMP else {'teacher': 'large'}), **changes}
  given = {'output_dir': 'out', 'init_checkpoint': 'small', **changes}
  options = tiny_pipeline.options(folder, **given)
  data = labelled.read(options.source)
  lengths = np.array([10])
  num = {'train': 128, 'dev': 16, 'test': 16, 'transfer': 168}
  texts = TextStatistics(num, {'train': lengths, 'transfer': lengths}, {})
  config = None if kind == DUMP else configs.compact_config('4/256', 100)
  manifest = types.SimpleNamespace(max_seq_length=32) if kind == DUMP else None
  teacher = Teacher(
    kind, 'large', config, [], 512, None, manifest, is_converted
  )
  student = configs.compact_config('2/128', 100)
  models = Models(teacher, student, vocab_file, [], True)
  chosen = defaults.choose(options.choices, texts, models, True)
  return Plan(options, data, texts, models, chosen, 1e11)


def _lines(plan):
  return stages.commands(plan, stages.make(plan))


def _names(plan):
  return [stage.step.name for stage in stages.make(plan)]


def test_a_checkpoint_is_fine_tuned_and_distilled(folder):
  task = (
    '--task_name=custom --data_dir=out/data --vocab_file=v --max_seq_length=32'
  )
  scored = '--do_eval --eval_split=test --do_predict --eval_batch_size=64'
  scored += ' --predict_batch_size=64 --output_dir='
  table = f'--input_file={folder}/reviews.csv --text_column=review'
  small = '--init_checkpoint=small --do_train --adam_bias_correction'
  sizes = '--train_batch_size=32 --seed=12345 --keep_checkpoint_max=1'
  lines = _lines(_plan(folder))
  assert lines[:-2] == [
    f'python -m tools.split_table {table} --label_column=stars '
    '--output_dir=out/data',
    'python -m tools.bag_of_words --data_dir=out/data '
    '--results_dir=out/results --keys=method=bag-of-words,seed=12345',
    f'python run_classifier.py {task} --init_checkpoint=large --do_train '
    f'--learning_rate=0.01 --num_train_epochs=4.0 {sizes} {scored}out/teacher',
    'python -m tools.record_result --run_dir=out/teacher '
    '--results_dir=out/results --keys=method=teacher,seed=12345 '
    '--split=test --name=teacher.json',
    f'python run_distillation.py {task} --do_dump_logits '
    '--teacher_checkpoint=out/teacher '
    f'--transfer_file={folder}/unlabelled.txt --transfer_split=train '
    '--predict_batch_size=64 --logits_dir=out/dump',
    f'python run_distillation.py {task} {small} --logits_dir=out/dump '
    f'--learning_rate=0.01 --num_train_epochs=3.0 {sizes} {scored}out/student',
    'python -m tools.record_result --run_dir=out/student '
    '--results_dir=out/results --keys=method=distilled,seed=12345 '
    '--split=test --name=distilled.json',
    f'python run_classifier.py {task} {small} --learning_rate=0.0003 '
    f'--num_train_epochs=2.0 {sizes} {scored}out/labels-only',
    'python -m tools.record_result --run_dir=out/labels-only '
    '--results_dir=out/results --keys=method=labels-only,seed=12345 '
    '--split=test --name=labels-only.json',
  ]
  assert lines[-1] == (
    'python -m tools.report --results_dir=out/results --output_dir=out/report'
  )


def test_the_experiment_is_written_by_a_command(folder):
  words = shlex.split(_lines(_plan(folder))[-2])
  assert words[-2:] == ['>', 'out/results/experiment.json']
  figure = json.loads(words[-3])['figure']
  assert figure['metric'] == 'accuracy'
  assert figure['x_order'] == [
    *('bag-of-words', 'labels-only', 'distilled', 'teacher')
  ]


def test_a_hugging_face_folder_is_imported_first(folder):
  plan = _plan(folder, HUGGING_FACE, vocab_file=None, is_converted=True)
  lines = _lines(plan)
  assert lines[2] == (
    'python -m tools.import_hugging_face --input_dir=large '
    '--output_dir=out/teacher-start --fresh_pooler'
  )
  assert '--init_checkpoint=out/teacher-start' in lines[3]
  assert all(
    '--vocab_file=out/teacher-start/vocab.txt' in lines[i] for i in [3, 5]
  )
  by_name = {stage.step.name: stage.step for stage in stages.make(plan)}
  needs = [step.name for step in by_name['labels-only'].needs]
  assert needs == ['split', 'teacher-start']


_FIXED = {'teacher_learning_rate': None, 'teacher_epochs': None}


def test_a_fine_tuned_hugging_face_folder_is_imported_and_scored(folder):
  plan = _plan(folder, FINE_TUNED, vocab_file=None, is_converted=True, **_FIXED)
  lines = _lines(plan)
  assert '--fresh_pooler' not in lines[2]
  assert '--init_checkpoint=out/teacher-start --do_eval' in lines[3]
  assert '--do_train' not in lines[3]
  assert '--model_dir=out/teacher-start' in lines[4]
  assert '--teacher_checkpoint=out/teacher-start' in lines[5]


def test_a_fine_tuned_teacher_is_only_scored(folder):
  lines = _lines(_plan(folder, FINE_TUNED, **_FIXED))
  assert '--init_checkpoint=large --do_eval' in lines[2]
  assert '--do_train' not in lines[2]
  assert '--run_dir=out/teacher --model_dir=large ' in lines[3]
  assert '--teacher_checkpoint=large' in lines[4]


def test_a_dump_needs_no_teacher(folder):
  plan = _plan(folder, DUMP)
  assert _names(plan) == [
    *('split', 'bag-of-words', 'distilled', 'distilled-result'),
    *('labels-only', 'labels-only-result', 'report'),
  ]
  assert '--logits_dir=logits' in _lines(plan)[2]


def test_own_splits_are_not_split(folder):
  source = tiny_pipeline.options(folder).source
  plan = _plan(folder)
  own = dataclasses.replace(source, input_file=None, data_dir='mine')
  plan = dataclasses.replace(
    plan, options=dataclasses.replace(plan.options, source=own)
  )
  assert _names(plan)[0] == 'bag-of-words'
  assert '--data_dir=mine' in _lines(plan)[1]


def test_the_student_on_labels_can_be_left_out(folder):
  plan = _plan(folder, compare_labels_only=False)
  assert _names(plan)[-2:] == ['distilled-result', 'report']


def test_without_labels_in_test_dev_is_scored(folder):
  plan = _plan(folder)
  splits = {
    **plan.labelled.splits,
    'test': [
      dataclasses.replace(e, label=None) for e in plan.labelled.splits['test']
    ],
  }
  data = dataclasses.replace(plan.labelled, splits=splits)
  line = _lines(dataclasses.replace(plan, labelled=data))[2]
  assert '--do_eval --do_predict --predict_split=dev' in line


def test_an_old_report_is_made_again_once_there_is_more_to_tell(
  folder, tmp_path
):
  plan = _plan(folder, output_dir=str(tmp_path), compare_labels_only=False)
  planned = stages.make(plan)
  for step in (stage.step for stage in planned):
    files.make_folder(os.path.dirname(step.done))
    files.write_text(step.done, '')
  stages.drop_old_report(planned)
  assert planned[-1].step.is_done
  more = stages.make(_plan(folder, output_dir=str(tmp_path)))
  stages.drop_old_report(more)
  assert not more[-1].step.is_done and more[0].step.is_done


def test_finished_stages_take_no_time(folder, tmp_path):
  plan = _plan(folder, output_dir=str(tmp_path))
  planned = stages.make(plan)
  before = stages.total_seconds(planned)
  (tmp_path / 'data').mkdir()
  (tmp_path / 'data' / 'split.done').touch()
  assert stages.total_seconds(planned) == before - planned[0].seconds


def test_elsewhere_scripts_have_their_whole_path(folder, monkeypatch):
  monkeypatch.chdir(folder)
  line = _lines(_plan(folder))[2]
  path = shlex.split(line)[1]
  assert path.endswith('/run_classifier.py') and os.path.exists(path)


def test_a_cased_vocabulary_reaches_all_commands(folder):
  plan = _plan(folder)
  cased = dataclasses.replace(plan.models, do_lower_case=False)
  for models, num in ((plan.models, 0), (cased, 4)):
    lines = _lines(dataclasses.replace(plan, models=models))
    assert sum('--nodo_lower_case' in line for line in lines) == num


def test_what_the_user_accepts_and_names_reaches_the_dump(folder):
  plan = _plan(folder, allow_weak_teacher=True, seed=7)
  columns = {'transfer_text_column': 'review'}
  texts = dataclasses.replace(plan.texts, transfer_columns=columns)
  by_name = {
    stage.step.name: stage.step
    for stage in stages.make(dataclasses.replace(plan, texts=texts))
  }
  words = by_name['dump'].command
  assert {'--allow_weak_teacher', '--transfer_text_column=review'} < {*words}
  words = by_name['bag-of-words']
  assert '--keys=method=bag-of-words,seed=7' in words.command
  assert words.done == 'out/results/bag-of-words_seed7.json'


def test_the_times_are_those_of_models_texts_and_epochs(folder):
  plan = _plan(folder)
  seconds = {stage.step.name: stage.seconds for stage in stages.make(plan)}
  student, teacher = plan.models.student, plan.models.teacher.config
  for name, work in (
    ('teacher', estimates.Work(teacher, 4 * 128, 16, 10, 32)),
    ('dump', estimates.Work(teacher, 0, 168, 10)),
    ('distilled', estimates.Work(student, 3 * 168, 16, 10, 32)),
    ('labels-only', estimates.Work(student, 2 * 128, 16, 10, 32)),
  ):
    assert seconds[name] == pytest.approx(work.seconds(1e11), rel=1e-12), name


def test_all_models_that_are_trained_take_space(folder):
  plan = _plan(folder)
  student, teacher = plan.models.student, plan.models.teacher.config
  assert stages.disk_bytes(plan) == estimates.disk_bytes(
    student, student, teacher
  )
  plan = _plan(folder, FINE_TUNED, compare_labels_only=False, **_FIXED)
  assert stages.disk_bytes(plan) == estimates.disk_bytes(student)
