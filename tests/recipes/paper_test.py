"""recipes/paper: what each experiment plans, runs and collects."""

import contextlib
import dataclasses
import importlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import types

import pytest

from modeling import configs
from recipes.paper import (
  collection,
  command,
  experiment,
  plan_flags,
  release_sweep,
  students,
  teacher_ensemble,
)
from recipes.paper.scales import SCALES
from recipes.paper.stages import Stages
from recipes.paper.students import METHODS, RANDOM, Students
from recipes.paper.transfer_sets import TransferSets
from system import steps
from system.errors import UserError
from tools import run_result

_EXPERIMENTS = (
  *('main_comparison', 'initialisation', 'depth_or_width', 'transfer_size'),
  *('transfer_domain', 'compound_effect', 'release_sweep'),
  *('elaborate_methods', 'selection', 'release', 'pretraining_steps'),
  'teacher_ensemble',
)
_FLAGS = (
  *('data_dir', 'scale', 'work_dir', 'runs_dir', 'sizes', 'tasks'),
  *('teacher_encoder', 'teacher_logits', 'list_commands', 'collect', 'variant'),
)
_DATA = (
  *('wiki/train-00.txt.gz', 'wiki/heldout.txt.gz', 'vocab/uncased_vocab.txt'),
  'imdb/unlabelled_reviews.txt.gz',
  *(f'glue/{x}/train.tsv' for x in ('SST-2', 'CoLA', 'STS-B')),
  *(f'amazon/{x}.tsv.gz' for x in ('books', 'dvd', 'electronics', 'kitchen')),
)


@pytest.fixture
def plan(tmp_path):
  """A plan at the scale smoke, on empty data."""
  return _plan(tmp_path, 'smoke')


def _plan(folder, scale):
  data = folder / 'data'
  for name in _DATA:
    (data / name).parent.mkdir(parents=True, exist_ok=True)
    (data / name).touch()
  work = folder / 'work'
  stages = Stages(str(data), str(work), SCALES[scale], {})
  return experiment.Plan(Students(stages, str(work / 'results')), (1, 2))


def _experiment(name):
  return importlib.import_module(f'recipes.paper.{name}').EXPERIMENT


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('name', _EXPERIMENTS)
def test_runs_differ_in_keys_and_names(tmp_path, name, scale):
  runs = _experiment(name).runs(_plan(tmp_path, scale))
  keys = [json.dumps(run.keys) for run in runs]
  assert len(set(keys)) == len(keys)
  assert len({run.student.name for run in runs}) == len(runs)
  assert steps.to_run([run.student.step for run in runs])


def test_similarities_are_known_once_they_are_computed(plan):
  before = _experiment('transfer_domain').runs(plan)[0]
  assert before.keys['similarity'] == 0
  [step] = [x for x in before.student.step.needs if 'similarity' in x.name]
  path = pathlib.Path(step.done)
  path.parent.mkdir(parents=True)
  path.write_text('{"films": 0.66}')
  assert _experiment('transfer_domain').runs(plan)[0].keys['similarity'] == 0.66


def test_single_sentences_are_no_transfer_set_for_pairs(plan):
  scale = dataclasses.replace(plan.scale, tasks=('STS-B',))
  stages = dataclasses.replace(plan.stages, scale=scale)
  changed = experiment.Plan(Students(stages, plan.students.runs_dir), (1,))
  with pytest.raises(UserError, match='--tasks: STS-B has pairs .* set films'):
    _experiment('transfer_size').runs(changed)
  assert _experiment('main_comparison').runs(changed)


def test_what_chooses_settings_is_recorded_as_another_split(plan, monkeypatch):
  splits = {}

  def record(path, *arguments):
    splits[os.path.basename(path)] = arguments[-1]

  monkeypatch.setattr(run_result, 'write_of_step', record)
  monkeypatch.setattr('shutil.rmtree', lambda folder: None)
  for name in ('selection', 'main_comparison'):
    student = _experiment(name).runs(plan)[0].student
    student.step.finish(1.0)
    assert splits[os.path.basename(student.result)] == (
      'selection' if name == 'selection' else None
    )


def test_experiments_share_their_stages(plan):
  names = ('main_comparison', 'initialisation', 'transfer_size')
  runs = [run for name in names for run in _experiment(name).runs(plan)]
  # Steps of one name must be the same step, or `to_run` refuses them.
  left = steps.to_run([run.student.step for run in runs])
  named = [step.name for step in left]
  for stage in ('teachers/SST-2-1', 'encoders/2-128-wiki', 'text/films'):
    assert named.count(stage) == 1


def _flags(step):
  """Returns the flags of a step, name → value, '' if it has none."""
  words = [word for word in step.command if word.startswith('--')]
  pairs = (word.removeprefix('--').partition('=') for word in words)
  return {name: value for name, _, value in pairs}


def _planned(name, plan):
  """Returns the flags of all steps of an experiment by the steps' names."""
  runs = _experiment(name).runs(plan)
  left = steps.to_run([run.student.step for run in runs])
  return {step.name: _flags(step) for step in left}


@pytest.mark.parametrize('scale', SCALES)
def test_all_transfer_sizes_train_for_the_same_number_of_steps(tmp_path, scale):
  plan = _plan(tmp_path, scale)
  batch = plan.scale.train_batch_size
  for run in _experiment('transfer_size').runs(plan):
    if count := run.keys.get('sentences'):
      epochs = float(_flags(run.student.step)['num_train_epochs'])
      assert int(count * epochs / batch) == plan.scale.transfer_steps


def test_a_shorter_pretraining_has_a_shorter_warm_up(plan):
  planned = _planned('pretraining_steps', plan)
  names = ('num_train_steps', 'num_warmup_steps')
  assert {
    step: tuple(map(planned[f'encoders/2-128-wiki{step}'].get, names))
    for step in ('', '-10-steps')
  } == {'': ('20', '2'), '-10-steps': ('10', '1')}


def test_the_starts_differ_in_encoder_and_weights(plan):
  found = {}
  for run in _experiment('initialisation').runs(plan):
    flags = _flags(run.student.step)
    encoder = os.path.basename(flags.get('init_checkpoint', ''))
    found[run.keys['start']] = encoder, flags.get('init')
  assert found == {
    'random': ('', None),
    'word embeddings': ('2-128-wiki', 'word_embeddings'),
    'truncated': ('4-128-wiki', 'bottom_layers'),
    'pre-trained': ('2-128-wiki', None),
  }


def test_teachers_and_students_have_their_own_seeds(plan):
  planned = _planned('teacher_ensemble', plan)
  teachers = {f'teachers/SST-2-{n}': str(n) for n in (1, 2, 3)}
  assert {name: planned[name]['seed'] for name in teachers} == teachers
  runs = [name for name in planned if name.startswith('runs/')]
  assert len(runs) == 6
  assert all(name.endswith(f'seed{planned[name]["seed"]}') for name in runs)


def test_students_of_an_ensemble_read_its_sentences_as_often_as_planned(
  tmp_path,
):
  plan = _plan(tmp_path, 'cpu')
  for run in _experiment('teacher_ensemble').runs(plan):
    if run.keys['method'] == 'PD':
      assert _flags(run.student.step)['num_train_epochs'] == '3'


def test_the_methods_of_a_task_differ_as_the_scale_says(tmp_path):
  plan = _plan(tmp_path, 'cpu')
  names = ('learning_rate', 'num_train_epochs', 'adam_bias_correction')
  found = {
    (run.keys['task'], run.keys['method']): tuple(
      map(_flags(run.student.step).get, names)
    )
    for run in _experiment('main_comparison').runs(plan)
    if run.keys['size'] == '2/128'
  }
  assert found == {
    ('SST-2', 'basic'): ('0.0003', '3', None),
    ('SST-2', 'PF'): ('0.0003', '3', None),
    ('SST-2', 'PD'): ('0.001', '1', None),
    ('SST-2', 'distillation'): ('0.0003', '1', None),
    ('SST-2', 'PDF'): ('0.0001', '3', None),
    ('CoLA', 'basic'): ('0.0003', '3', None),
    ('CoLA', 'PF'): ('0.0003', '3', None),
    ('CoLA', 'PD'): ('0.001', '3', None),
    ('CoLA', 'distillation'): ('0.0003', '3', None),
    ('CoLA', 'PDF'): ('0.0001', '3', None),
    # The dump is as small as the labelled set.
    ('STS-B', 'basic'): ('0.0003', '3', ''),
    ('STS-B', 'PF'): ('0.0003', '3', ''),
    ('STS-B', 'PD'): ('0.0003', '3', ''),
    ('STS-B', 'distillation'): ('0.0003', '3', ''),
    ('STS-B', 'PDF'): ('0.0001', '3', ''),
  }


def test_a_task_may_have_fewer_films_than_the_scale(tmp_path):
  sets = _plan(tmp_path, 'cpu').transfer_sets
  found = {}
  for task in ('SST-2', 'CoLA', 'STS-B'):
    planned = {x.name: _flags(x) for x in steps.to_run(sets.main(task).needs)}
    (dump,) = (x for name, x in planned.items() if name.startswith('dumps/'))
    scored = [x for name, x in planned.items() if name.startswith('scored/')]
    limits = {x.get('max_transfer_examples') for x in scored}
    found[task] = dump['num_examples'], limits
  assert found == {
    'SST-2': ('all,all', {None}),
    'CoLA': ('100000,all', {'100000'}),
    'STS-B': ('all', {None}),
  }


def test_domains_are_compared_and_read_in_one_amount(tmp_path):
  planned = _planned('transfer_domain', _plan(tmp_path, 'cpu'))
  assert planned['text/similarity-SST-2']['max_lines'] == '11000'
  dumps = [x for name, x in planned.items() if name.startswith('dumps/')]
  assert [x['num_examples'] for x in dumps] == ['11000'] * 5
  students = [x for x in planned.values() if 'bert_size' in x]
  epochs = [x['num_train_epochs'] for x in students if 'logits_dir' in x]
  assert epochs == ['10'] * 20


def test_the_elaborate_methods_have_their_weights(plan):
  planned = _planned('elaborate_methods', plan)
  weights = {'hard_loss_weight', 'cosine_weight', 'soft_masked_lm_weight'}
  weights |= {'relation_weight', 'num_relation_heads', 'init'}
  found = {
    name: {
      k: v
      for k, v in planned[f'encoders/2-128-wiki{name}'].items()
      if k in weights
    }
    for name in ('', '-distilbert', '-minilm')
  }
  assert found == {
    '': {},
    '-distilbert': {
      'init': 'every_kth_layer',
      'soft_masked_lm_weight': '5',
      'hard_loss_weight': '2',
      'cosine_weight': '1',
    },
    '-minilm': {
      'relation_weight': '1',
      'num_relation_heads': '16',
      'hard_loss_weight': '0',
    },
  }
  patient = [x.get('patient_weight') for x in planned.values()]
  assert patient.count('0.26') == len(plan.seeds)


def test_the_compound_effect_s_only_text_is_films(plan):
  planned = _planned('compound_effect', plan)
  encoders = [name for name in planned if name.startswith('encoders/')]
  assert encoders == ['encoders/2-128-films']


def test_encoders_are_evaluated_on_the_held_out_text(plan, monkeypatch):
  splits = []
  monkeypatch.setattr(
    run_result, 'write_of_step', lambda *arguments: splits.append(arguments[-1])
  )
  step = _experiment('release').runs(plan)[0].student.step
  assert _flags(step)['input_file'].endswith('/records/heldout.tfrecord')
  step.finish(1.0)
  assert splits == ['heldout']


def test_needs_come_before_what_needs_them(plan):
  left = steps.to_run(
    [r.student.step for r in _experiment('main_comparison').runs(plan)]
  )
  places = {step.name: place for place, step in enumerate(left)}
  for step in left:
    assert all(places[need.name] < places[step.name] for need in step.needs)


def test_a_run_that_another_starts_from_keeps_its_folder(plan):
  runs = _experiment('main_comparison').runs(plan)
  kept = [r.student for r in runs if r.student.name in plan.students.kept]
  assert [run.keys['method'] for run in runs if run.student in kept] == (
    ['PD'] * 2
  )
  left = steps.to_run([run.student.step for run in runs])
  # One step makes both the result and the folder.
  assert [step.name for step in left].count(kept[0].step.name) == 1


def test_the_smoke_scale_trains_at_least_a_step():
  scale = SCALES['smoke']
  for examples, epochs in (
    (scale.num_films, scale.distillation_epochs),
    (scale.domain_examples, scale.domain_epochs),
    # STS-B's training split is the smallest of the three tasks'.
    (5_749, scale.fine_tuning_epochs),
    (5_749, scale.sweep_epochs),
    (5_749, scale.teacher_epochs),
  ):
    assert examples * epochs >= scale.train_batch_size


def _check_flags(left):
  """Checks one step of each kind: that its flags exist and are legal."""
  kinds = {}
  for step in left:
    flags = [word.partition('=')[0] for word in step.command]
    if not step.command[0].endswith('.sh'):
      kinds.setdefault(tuple(flags), step)
  for step in kinds.values():
    checked = subprocess.run(
      [*step.words(), '--only_check_args'], capture_output=True, text=True
    )
    assert not checked.returncode, step.shell_command() + checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'scale'),
  [*((name, 'smoke') for name in _EXPERIMENTS), ('main_comparison', 'full')],
)
def test_flags_exist_and_are_legal(tmp_path, name, scale):
  runs = _experiment(name).runs(_plan(tmp_path, scale))
  _check_flags(steps.to_run([run.student.step for run in runs]))


def test_at_the_scale_full_every_model_runs_on_a_tpu(tmp_path):
  runs = _experiment('main_comparison').runs(_plan(tmp_path, 'full'))
  scripts = {}
  for step in steps.to_run([run.student.step for run in runs]):
    if step.command[0].startswith('run_'):
      script = scripts.setdefault(step.command[0], [])
      script.append('--use_tpu' in step.command)
  assert scripts.keys() == {
    *('run_pretraining.py', 'run_classifier.py', 'run_distillation.py')
  }
  assert all(map(all, scripts.values()))


def _result(student, **scores):
  return {
    'keys': {'run': student.name, 'task': 'SST-2'},
    'scores': scores,
    'split': 'dev',
    'parameters': 10,
    'examples_per_second': None,
    'seconds': 1.5,
    'command': None,
    'versions': None,
    'hardware': None,
    'init_checkpoint': None,
    'checkpoint': None,
    'finished': None,
  }


def _write(student, **scores):
  folder, name = os.path.split(student.result)
  run_result.write(folder, name, _result(student, **scores))


def _set_scale(monkeypatch):
  given = types.SimpleNamespace(scale='smoke')
  monkeypatch.setattr(plan_flags, 'FLAGS', given)


def test_collecting_gives_results_the_keys_of_the_experiment(
  plan, capsys, monkeypatch
):
  _set_scale(monkeypatch)
  main = _experiment('main_comparison')
  runs = main.runs(plan)
  _write(runs[0].student, accuracy=0.75, loss=0.5)
  folder = plan.stages.path('experiments', main.name)
  for _ in range(2):  # The second time replaces the first.
    collection.collect(main, runs, folder)
  [result] = run_result.read_all(folder)
  assert result['keys'] == dict(runs[0].keys)
  assert result['scores']['score'] == 0.75
  found = json.loads(pathlib.Path(folder, 'experiment.json').read_text())
  assert found['figure']['line_order'] == list(METHODS)
  assert f'1 of {len(runs)} results' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('name', 'has_chosen_rates'),
  [('main_comparison', True), ('selection', False), ('release_sweep', False)],
)
def test_only_experiments_with_chosen_rates_say_where_these_come_from(
  plan, name, has_chosen_rates, monkeypatch
):
  _set_scale(monkeypatch)
  runs = _experiment(name).runs(plan)
  _write(runs[0].student, accuracy=0.75)
  folder = plan.stages.path('experiments', name)
  collection.collect(_experiment(name), runs, folder)
  found = json.loads(pathlib.Path(folder, 'experiment.json').read_text())
  assert any(x.startswith('The spread is') for x in found['notes'])
  says = any('rates were chosen on SST-2' in x for x in found['notes'])
  assert says == has_chosen_rates


def test_the_sweep_plans_the_best_setting_once_all_are_tried(plan):
  runs = release_sweep.runs(plan)
  assert {run.keys['data'] for run in runs} == {'selection'}
  for run, accuracy in zip(runs, (0.6, 0.7), strict=True):
    _write(run.student, accuracy=accuracy)
  chosen = [r for r in release_sweep.runs(plan) if r.keys['data'] == 'dev']
  assert [run.keys['rate'] for run in chosen] == [runs[1].keys['rate']] * 2
  assert [run.keys['seed'] for run in chosen] == [1, 2]
  flags = chosen[0].student.step.command
  assert f'--data_dir={plan.stages.data_dir}/glue/SST-2' in flags


def test_glue_averages_metrics_then_tasks():
  def of(task, seed, **scores):
    keys = {'data': 'dev', 'size': '2/128', 'task': task, 'seed': seed}
    return {'keys': keys, 'scores': scores}

  results = [
    of('STS-B', 1, pearson=0.5, spearman=0.7),
    of('CoLA', 1, matthews_correlation=0.1, accuracy=0.9),
    of('CoLA', 2, matthews_correlation=0.3, accuracy=0.9),
  ]
  # (0.6 + (0.1 + 0.3) / 2) / 2
  assert release_sweep.summarise(results) == [
    'GLUE score of 2/128 on the dev splits of CoLA, STS-B: 40.0.'
  ]


def test_the_ensemble_s_score_is_that_of_the_students_evaluations():
  def of(teachers, **scores):
    keys = {'task': 'SST-2', 'teachers': teachers}
    return {'keys': keys, 'scores': scores}

  alone = {'keys': {'task': 'SST-2'}, 'scores': {'accuracy': 0.5}}
  assert teacher_ensemble.summarise([alone]) == []
  assert teacher_ensemble.summarise(
    [
      alone,
      of(3, accuracy=0.8, teacher_accuracy=0.9),
      of(1, accuracy=0.8, teacher_accuracy=0.875),
    ]
  ) == ["The teachers' own score on dev, by their number: 1: 0.875, 3: 0.900."]


def _command(name, *flags):
  """Runs an experiment as a process."""
  return subprocess.run(
    [sys.executable, '-m', f'recipes.paper.{name}', *flags],
    capture_output=True,
    text=True,
  )


@pytest.fixture
def run_main(monkeypatch):
  """Returns a function that runs an experiment in this process.

  It takes the experiment's name and the values of flags that are given.
  """

  def run(name, **given):
    values = {'seeds': ['1'], 'encoders': [], 'only': [], 'jobs': 1, **given}
    # Another module of the tests may define flags of the same names.
    flags = types.SimpleNamespace(**{**dict.fromkeys(_FLAGS), **values})
    for module in (command, plan_flags):
      monkeypatch.setattr(module, 'FLAGS', flags)
    command._main(_experiment(name))

  return run


def test_help_shows_the_flags_of_all_experiments():
  done = _command('transfer_size', '--help')
  assert '--only: ' in done.stdout and '--data_dir: ' in done.stdout


def test_missing_data_is_named(tmp_path):
  done = _command('main_comparison', f'--data_dir={tmp_path}')
  assert done.returncode == 1
  assert f'ERROR: --data_dir={tmp_path}: expected {tmp_path}/' in done.stderr


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    ({'sizes': ['3/128']}, '3/128'),
    ({'variant': '../x'}, '--variant=../x: expected letters, digits'),
    ({'seeds': ['1', 'x']}, '--seeds=1,x: expected numbers'),
    ({'encoders': ['2/128']}, 'expected size=checkpoint, got 2/128'),
    ({'encoders': ['2/128=/no']}, '--encoders: there is no checkpoint /no'),
    ({'teacher_encoder': '/no'}, '--teacher_encoder: there is no checkpoint'),
    (
      {'encoders': ['mini=setup.cfg']},
      '--encoders names 4/256, but the experiment has 2/128. Name an encoder',
    ),
  ],
)
def test_wrong_flags_are_refused_before_any_work(
  run_main, tmp_path, given, message
):
  with pytest.raises(UserError, match=message):
    run_main('release_sweep', data_dir=str(tmp_path), **given)


def test_encoders_are_refused_where_all_are_pre_trained_alike(
  run_main, tmp_path
):
  given = {'data_dir': str(tmp_path), 'encoders': ['tiny=setup.cfg']}
  with pytest.raises(UserError, match='--encoders cannot take effect: depth_o'):
    run_main('depth_or_width', **given)


def test_an_alias_is_a_size_and_runs_of_others_are_recorded(
  run_main, tmp_path, capsys
):
  plan = _plan(tmp_path, 'smoke')
  given = {'data_dir': plan.stages.data_dir, 'sizes': ['tiny']}
  given['work_dir'] = plan.stages.work_dir

  def collected():
    run_main('depth_or_width', collect=True, **given)
    return capsys.readouterr().out

  run_main('depth_or_width', list_commands=True, **given)
  assert '--bert_size=2/128' in capsys.readouterr().out
  # What a cluster leaves that has run the listed commands.
  run = _experiment('depth_or_width').runs(plan)[0].student
  folder = pathlib.Path(run.folder)
  folder.mkdir(parents=True)
  (folder / 'eval_results.txt').write_text(
    'eval_accuracy = 0.5\nglobal_step = 3\nloss = 1.0\n'
  )
  (folder / 'run.json').write_text('{}')
  (folder / 'bert_config.json').write_text(
    json.dumps(dataclasses.asdict(configs.compact_config('tiny', 30522)))
  )
  # The encoder and the dump are not there yet.
  assert '0 of 1 results' in collected()
  for need in run.step.needs:
    pathlib.Path(need.done).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(need.done).touch()
  # A list of commands runs it at this moment.
  logs = plan.stages.path('logs')
  with command.step_runner.unless_running(run.step, logs):
    assert '0 of 1 results' in collected()
  # One that was killed had begun it.
  log = pathlib.Path(logs, f'{run.step.name}.seconds.json')
  log.write_text('null')
  # A copy may be incomplete.
  (folder / 'bert_config.json').rename(tmp_path / 'bert_config.json')
  assert '0 of 1 results' in collected()
  (tmp_path / 'bert_config.json').rename(folder / 'bert_config.json')
  assert '1 of 1 results' in collected()
  assert not log.exists()
  result = run_result.read(run.result)
  assert result['seconds'] is result['hardware'] is None
  # Another experiment's listed commands may start from it.
  assert folder.is_dir()


def test_a_folder_has_runs_of_one_teacher_and_encoder(
  run_main, tmp_path, monkeypatch
):
  monkeypatch.setattr(command, '_wanted', lambda *_: [])
  plan = _plan(tmp_path, 'smoke')
  shared = {'data_dir': plan.stages.data_dir, 'work_dir': plan.stages.work_dir}
  for name in 'ab':
    (tmp_path / name).touch()
  first = {'sizes': ['tiny'], 'encoders': [f'tiny={tmp_path}/a'], **shared}

  other = {**first, 'encoders': [f'tiny={tmp_path}/b']}
  # Nothing is made of them.
  run_main('main_comparison', collect=True, **other)
  run_main('main_comparison', list_commands=True, **other)
  run_main('main_comparison', **first)
  run_main('main_comparison', **first)
  run_main('depth_or_width', **shared)  # It pre-trains its encoders.
  with pytest.raises(UserError, match='--encoders=2/128: .*/a.*, now .*/b'):
    run_main('main_comparison', list_commands=True, **other)
  with pytest.raises(UserError, match='--teacher_encoder: .* has None, now'):
    run_main('selection', teacher_encoder=f'{tmp_path}/a', **shared)
  (tmp_path / 'kept').mkdir()
  (tmp_path / 'kept' / 'SST-2-films-1.safetensors').touch()
  monkeypatch.setattr(plan_flags, '_check_teacher_logits', lambda *_: None)
  with pytest.raises(UserError, match='--teacher_logits: .* has None, now'):
    run_main('selection', teacher_logits=f'{tmp_path}/kept', **shared)


def test_a_folder_of_results_has_those_of_one_teacher_and_encoder(
  run_main, tmp_path, monkeypatch
):
  monkeypatch.setattr(command, '_wanted', lambda *_: [])
  plan = _plan(tmp_path, 'smoke')
  (tmp_path / 'a').touch()
  shared = {'data_dir': plan.stages.data_dir, 'runs_dir': f'{tmp_path}/runs'}
  run_main('selection', work_dir=f'{tmp_path}/first', **shared)
  run_main('selection', work_dir=f'{tmp_path}/second', **shared)
  with pytest.raises(UserError, match='--teacher_encoder: .*runs/settings.js'):
    run_main(
      'selection',
      work_dir=f'{tmp_path}/third',
      teacher_encoder=f'{tmp_path}/a',
      **shared,
    )


def test_results_of_another_given_encoder_are_refused(tmp_path, monkeypatch):
  checkpoint = types.SimpleNamespace(checksum=lambda: '1a')
  monkeypatch.setattr(students.location, 'locate', lambda _: checkpoint)
  stages = _plan(tmp_path, 'smoke').stages
  given = dataclasses.replace(stages, encoders={'2/128': 'x'})
  planned = Students(given, f'{tmp_path}/runs')
  student = planned.on_labels('SST-2', '2/128', 1, planned.start('2/128'))
  basic = planned.on_labels('SST-2', '2/128', 1, RANDOM)
  planned.check_starts([student, basic])
  for found, is_refused in ((None, False), ('1a', False), ('0', True)):
    folder, name = os.path.split(student.result)
    result = {**_result(student, accuracy=0.5), 'init_checkpoint': found}
    run_result.write(folder, name, result)
    with (
      pytest.raises(UserError, match='is the result of another encoder than')
      if is_refused
      else contextlib.nullcontext()
    ):
      planned.check_starts([student, basic])


def test_a_run_that_another_command_starts_from_keeps_its_folder(
  plan, monkeypatch
):
  monkeypatch.setattr(run_result, 'write_of_step', lambda *_: None)
  other = Students(plan.stages, plan.students.runs_dir)
  common = ('SST-2', '2/128', 1)
  run = other.on_labels(*common, RANDOM)
  os.makedirs(run.folder)
  plan.students.after(run)
  plan.students.keep_folders()
  run.step.finish(1.0)
  assert os.path.exists(run.folder)
  os.remove(plan.stages.path('kept', run.name))
  run.step.finish(1.0)
  assert not os.path.exists(run.folder)


def test_sizes_without_a_deeper_one_are_refused(run_main, tmp_path):
  plan = _plan(tmp_path, 'smoke')
  for name in ('initialisation', 'elaborate_methods'):
    with pytest.raises(UserError, match='--sizes=8/128: .* with at most 6'):
      run_main(name, data_dir=plan.stages.data_dir, sizes=['8/128'])


def test_dumps_of_other_flags_or_teachers_have_other_names(plan):
  sets = plan.transfer_sets

  def name(teachers=(1,), **changes):
    return sets.dump('SST-2', {'films': 'all'}, teachers, **changes).name

  names = [name(), name((1, 12)), name((11, 2))]
  names += [name(dump_cls_layers=layer) for layer in (1, 3)]
  assert len(set(names)) == len(names)
  assert names[-1] == 'films-all-dump_cls_layers-3-1'


def test_a_command_that_made_nothing_leaves_no_settings(
  run_main, tmp_path, monkeypatch
):
  def fail(*_):
    raise UserError('failed')

  monkeypatch.setattr(command.step_runner, 'run', fail)
  plan = _plan(tmp_path, 'smoke')
  shared = {'data_dir': plan.stages.data_dir, 'work_dir': plan.stages.work_dir}
  with pytest.raises(UserError, match='failed'):
    run_main('depth_or_width', **shared)
  assert not (tmp_path / 'work' / 'settings.json').exists()


def test_a_variant_has_its_own_results_and_shares_its_runs(run_main, tmp_path):
  plan = _plan(tmp_path, 'smoke')
  shared = {'data_dir': plan.stages.data_dir, 'work_dir': plan.stages.work_dir}
  run = _experiment('depth_or_width').runs(plan)[0].student
  _write(run, accuracy=0.75)
  for variant in (None, 'narrow'):
    run_main('depth_or_width', collect=True, variant=variant, **shared)
  for name, title in (
    ('depth_or_width', 'Depth or width'),
    ('depth_or_width-narrow', 'Depth or width (narrow)'),
  ):
    folder = pathlib.Path(plan.stages.path('experiments', name))
    found = json.loads((folder / 'experiment.json').read_text())
    assert found['title'] == title
    [result] = run_result.read_all(str(folder))
    assert result['scores']['score'] == 0.75


def test_only_some_runs_are_made(run_main, tmp_path, capsys):
  plan = _plan(tmp_path, 'smoke')
  shared = {'data_dir': plan.stages.data_dir, 'work_dir': plan.stages.work_dir}

  def listed(*only):
    run_main('selection', list_commands=True, only=list(only), **shared)
    lines = capsys.readouterr().out.splitlines()
    return [
      line for line in lines if '--learning_rate' in line and '/runs/' in line
    ]

  assert len(listed()) == 4 * 4
  assert len(listed('rate=0.001')) == 4
  [line] = listed('rate=0.001', 'method=basic')
  assert '--learning_rate=0.001' in line and '--init_checkpoint' not in line
  assert len(listed('rate=0.001', 'method=basic', 'method=PF')) == 2
  with pytest.raises(UserError, match='expected column=value, got PF'):
    listed('PF')
  with pytest.raises(UserError, match='--only=way: expected one of task, size'):
    listed('way=PF')
  with pytest.raises(
    UserError, match='--only=rate=1: expected one of 0.0001, '
  ):
    listed('rate=1')
  with pytest.raises(UserError, match='no run has all of these'):
    listed('method=PF', 'learns from=300 sentences')


def test_given_encoders_and_ours_give_runs_of_different_names(plan):
  given = dataclasses.replace(plan.stages, encoders={'2/128': 'x'})
  theirs = Students(given, plan.students.runs_dir).start('2/128')
  assert (theirs.name, plan.students.start('2/128').name) == ('given', 'own')


def test_an_unknown_scale_of_the_environment_is_refused(
  run_main, tmp_path, monkeypatch
):
  monkeypatch.setenv('SCALE', 'huge')
  with pytest.raises(UserError, match='SCALE=huge: expected one of smoke, cpu'):
    run_main('selection', data_dir=str(tmp_path))


def test_tasks_replace_those_of_the_scale(tmp_path):
  _plan(tmp_path, 'smoke')  # Makes the files of the data.
  flags = [f'--data_dir={tmp_path}/data', '--seeds=1', '--list_commands']
  flags += ['--tasks=CoLA', f'--runs_dir={tmp_path}/results']
  done = _command('main_comparison', *flags)
  assert done.returncode == 0, done.stderr
  assert '--task_name=CoLA' in done.stdout
  assert 'SST-2' not in done.stdout


def test_the_recorded_command_makes_all_results_anew(tmp_path):
  _plan(tmp_path, 'smoke')  # Makes the files of the data.
  flags = ['--tasks', 'SST-2', f'--data_dir={tmp_path}/data', '--collect']
  flags += ['--only=seed=1', '--runs_dir', f'{tmp_path}/results']
  done = _command('selection', *flags, f'--work_dir={tmp_path}/work')
  assert done.returncode == 0, done.stderr
  folder = tmp_path / 'work' / 'experiments' / 'selection'
  found = json.loads((folder / 'experiment.json').read_text())
  assert shlex.split(found['command']) == [
    *('python', '-m', 'recipes.paper.selection', f'--data_dir={tmp_path}/data'),
    *('--scale=smoke', '--tasks=SST-2', f'--work_dir={tmp_path}/work'),
  ]


@pytest.mark.slow
def test_the_smoke_scale_runs(shared_data, tmp_path):
  encoder = shared_data.parent / 'encoders' / 'uncased_L-2_H-128_A-2'
  if not encoder.exists():
    pytest.skip(f'there is no {encoder}')
  flags = [
    f'--data_dir={shared_data}',
    f'--work_dir={tmp_path}/work',
    f'--encoders=2/128={encoder}',
    f'--teacher_encoder={encoder}',
    '--scale=smoke',
    '--seeds=1',
    '--jobs=2',
  ]
  done = _command('main_comparison', *flags)
  assert done.returncode == 0, done.stdout + done.stderr
  folder = tmp_path / 'work' / 'experiments' / 'main_comparison'
  results = run_result.read_all(str(folder))
  assert {result['keys']['method'] for result in results} == {*METHODS}
  # Nothing is left to do.
  again = _command('main_comparison', *flags, '--list_commands')
  assert (again.returncode, again.stdout) == (0, '')
  assert shlex.split(
    json.loads((folder / 'experiment.json').read_text())['command']
  )[:3] == ['python', '-m', 'recipes.paper.main_comparison']


def test_kept_logits_replace_the_teacher(tmp_path):
  plan = _plan(tmp_path, 'cpu')
  kept = tmp_path / 'kept'
  kept.mkdir()
  stages = dataclasses.replace(plan.stages, teacher_logits=str(kept))
  sets = TransferSets(stages)

  def names(parts, **changes):
    needs = sets.dump('SST-2', parts, (1,), **changes).needs
    return [step.name for step in steps.to_run(needs)]

  both = {'films': 'all', 'train': 'all'}
  (kept / 'SST-2-films-1.safetensors').touch()
  assert names({'films': 100}) == [
    'text/films',
    'teacher_logits/SST-2-films-1',
    'imported/SST-2-films-1',
    'dumps/SST-2-films-100-1',
  ]
  # A teacher that is trained again is another one.
  with pytest.raises(UserError, match='there is no .*/SST-2-train-1.safet'):
    names(both)
  with pytest.raises(UserError, match='they lack --dump_cls_layers. A teacher'):
    names({'films': 100}, dump_cls_layers=3)
  assert 'scored/CoLA-films-1' in [
    step.name
    for step in steps.to_run(sets.dump('CoLA', {'films': 1}, (1,)).needs)
  ]
  (kept / 'SST-2-train-1.safetensors').touch()
  assert not [name for name in names(both) if name.startswith('scored/')]


@pytest.mark.slow
def test_flags_of_kept_logits_exist_and_are_legal(tmp_path):
  plan = _plan(tmp_path, 'cpu')
  for text in ('films', 'train'):
    (tmp_path / f'SST-2-{text}-1.safetensors').touch()
  stages = dataclasses.replace(plan.stages, teacher_logits=str(tmp_path))
  parts = {'films': 'all', 'train': 'all'}
  dump = TransferSets(stages).dump('SST-2', parts, (1,))
  _check_flags(steps.to_run(dump.needs))


def test_the_scale_smoke_takes_no_kept_logits(plan, tmp_path):
  (tmp_path / 'SST-2-films-1.safetensors').touch()
  stages = dataclasses.replace(plan.stages, teacher_logits=str(tmp_path))
  needs = TransferSets(stages).dump('SST-2', {'films': 100}, (1,)).needs
  assert 'scored/SST-2-films-1' in [x.name for x in steps.to_run(needs)]


def test_kept_logits_that_cannot_take_effect_are_refused(run_main, tmp_path):
  folder = str(tmp_path)
  for scale, message in (
    ('smoke', '--teacher_logits cannot take effect: at this scale'),
    ('cpu', f'--teacher_logits={folder}: there is no file '),
  ):
    with pytest.raises(UserError, match=message):
      run_main(
        'transfer_size', data_dir=folder, teacher_logits=folder, scale=scale
      )
