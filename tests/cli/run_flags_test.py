"""--from_run, --flagfile, and the forms in which flags name a checkpoint."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
import tiny_world
from absl import flags
from absl.testing import flagsaver

import run_classifier  # noqa: F401 - defines the flags
import run_distillation  # noqa: F401
import run_pretraining  # noqa: F401
from cli import run_flags
from modeling.checkpoints import location, stored_weights
from modeling.checkpoints.released_names import POSITIONS
from modeling.configs import BertConfig
from modeling.options import ModelOptions
from system.errors import UserError
from training import checkpoint_choice, model_config
from training.model_config import TokenizerRecord
from training.options import TrainingOptions

FLAGS = flags.FLAGS


def _run(script, *arguments, **values):
  tiny_world.run(script, *tiny_world.named_flags(values), *arguments)


def _configuration(folder):
  return json.loads((folder / 'run.json').read_text())['configuration']


@pytest.fixture(scope='module')
def again(_teacher_world, tmp_path_factory):
  """A world whose run in `teacher` was started again in `again`.

  The second run has another seed, is shorter, starts from the weights of the
  first, has more positions and keeps two checkpoints.
  """
  world = tmp_path_factory.mktemp('again')
  shutil.copytree(_teacher_world, world, dirs_exist_ok=True)
  _run(
    'run_classifier',
    '--extend_positions',
    from_run=world / 'teacher',
    output_dir=world / 'again',
    seed=2,
    num_train_epochs=1,
    init_checkpoint=world / 'teacher',
    max_seq_length=40,
    save_checkpoints_steps=2,
    keep_checkpoint_max=2,
  )
  return world


def test_a_flag_replaces_the_recorded_one_that_excludes_it(teacher_world):
  folder = teacher_world / 'teacher'
  with flagsaver.flagsaver():
    run_flags.parse(
      ['/x/run_classifier.py', f'--from_run={folder}', '--bert_size=2/128']
    )
    assert flags.FLAGS.bert_config_file is None


def test_a_run_starts_again_with_its_flags_except_those_given(again):
  first, second = (
    _configuration(again / name) for name in ('teacher', 'again')
  )
  changed = {
    'bert_config': {**first['bert_config'], 'max_position_embeddings': 40},
    'init_checkpoint': location.locate(str(again / 'teacher')).checksum(),
    'max_seq_length': 40,
    'num_train_steps': 6,
    'num_warmup_steps': 0,
    'seed': 2,
  }
  assert second == {**first, **changed}
  # The second run records all its flags, so it does not need the first one.
  command = json.loads((again / 'again' / 'run.json').read_text())['command']
  assert command['script'] == 'run_classifier'
  assert {'--do_train', '--seed=2', '--learning_rate=0.01'} <= (
    set(command['flags'])
  )
  assert not [text for text in command['flags'] if 'from_run' in text]


def test_missing_positions_are_added_below_those_of_the_checkpoint(again):
  tables = [
    tf.train.load_variable(str(again / name), POSITIONS)
    for name in ('teacher/model.ckpt-60', 'again/model.ckpt-4')
  ]
  assert [table.shape for table in tables] == [(32, 8), (40, 8)]
  written = json.loads((again / 'again' / 'bert_config.json').read_text())
  assert written['max_position_embeddings'] == 40
  # Four steps at 1e-2 move a weight by about 4e-2; two random tables differ by
  # 0.3.
  assert np.abs(tables[1][:32] - tables[0]).max() < 0.1
  # No input has 33 tokens, so these rows keep their initial values.
  assert 0.1 < tables[1][32:].std() < 0.3
  # The initial normal distribution is truncated at 2 * 0.2.
  assert np.abs(tables[1][32:]).max() <= 0.4


def test_keep_checkpoint_max_limits_the_checkpoints(again):
  names = {p.name for p in (again / 'again').glob('model.ckpt-*.index')}
  assert names == {'model.ckpt-4.index', 'model.ckpt-6.index'}
  state = (again / 'again' / 'checkpoint').read_text()
  assert re.findall(r'"(.*)"', state) == (
    ['model.ckpt-6', 'model.ckpt-4', 'model.ckpt-6']
  )


@pytest.mark.slow
def test_recorded_flags_without_effect_are_accepted(teacher_world):
  teacher = teacher_world / 'teacher'
  content = json.loads((teacher / 'run.json').read_text())
  content['command']['flags'] += ['--freeze=1', '--layer_decay=0.9']
  content['command']['flags'] += ['--eval_steps=2', '--metric_for_best=loss']
  # The files that the run was made with are gone.
  content['command']['flags'] += ['--init_checkpoint=/gone/bert_model.ckpt']
  for name in ('vocab.txt', 'bert_config.json'):
    (teacher_world / name).unlink()
  (teacher / 'run.json').write_text(json.dumps(content))
  evaluate = ['run_classifier', '--nodo_train', '--do_eval']
  # The run was copied, and its recorded output_dir is the original.
  values = {'from_run': teacher / 'run.json', 'output_dir': teacher}
  _run(*evaluate, **values)
  assert 'eval_accuracy' in (teacher / 'eval_results.txt').read_text()
  # Nothing is evaluated, so no dev split is needed.
  (teacher_world / 'task' / 'dev.tsv').unlink()
  (teacher_world / 'texts.txt').write_text('the film was good .\n')
  predict = ['run_classifier', '--nodo_train', '--do_predict']
  _run(*predict, **values, predict_file=teacher_world / 'texts.txt')
  assert (teacher / 'predictions.tsv').exists()
  # A flag without effect in the command itself is refused.
  with pytest.raises(UserError, match='^--freeze cannot take effect'):
    _run(*evaluate, **values, freeze=1)


def _recorded(folder, script, *recorded):
  folder.mkdir()
  (folder / 'run.json').write_text(
    json.dumps({'command': {'script': script, 'flags': recorded}})
  )
  return folder


@pytest.mark.parametrize(
  ('script', 'recorded'),
  [
    ('run_pretraining', ['--input_file=a,b', '--num_train_steps=7']),
    ('run_classifier', ['--data_dir=x', '--nodo_lower_case']),
    ('run_distillation', ['--hard_label_weight=0.5', '--logits_dir=a,b']),
  ],
)
def test_recorded_flags_are_parsed_and_recorded_again(
  tmp_path, script, recorded
):
  folder = _recorded(tmp_path / 'run', script, *recorded)
  with flagsaver.flagsaver():
    FLAGS.unparse_flags()
    run_flags.parse([f'/x/{script}.py', f'--from_run={folder}', '--seed=5'])
    assert FLAGS.seed == 5
    assert run_flags.command() == {
      'script': script,
      'flags': [*recorded, '--seed=5'],
    }
    name = recorded[0].split('=')[0].strip('-')
    assert run_flags.is_inherited(name) and not run_flags.is_inherited('seed')


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (None, r'--from_run: there is no file .*run/run\.json'),
    ({'configuration': {}}, r'run\.json does not record the flags of its run'),
    (
      {'command': {'script': 'run_pretraining', 'flags': []}},
      r'records a run of run_pretraining\.py, not of run_classifier\.py',
    ),
    (
      {'command': {'script': 'run_classifier', 'flags': ['--gone=1']}},
      "--from_run=.*Unknown command line flag 'gone'",
    ),
  ],
)
def test_anything_but_a_run_of_this_script_is_refused(
  tmp_path, content, message
):
  (tmp_path / 'run').mkdir()
  if content is not None:
    (tmp_path / 'run' / 'run.json').write_text(json.dumps(content))
  with pytest.raises(UserError, match=message):
    _run('run_classifier', from_run=tmp_path / 'run')


@pytest.mark.parametrize(
  'script', ['run_classifier', 'run_distillation', 'run_pretraining']
)
def test_flags_come_from_a_file(tmp_path, script):
  path = tmp_path / 'flags'
  path.write_text('# a remark\n--task_name=RTE\n--vocab_file=v\n--do_train\n')
  with flagsaver.flagsaver():
    FLAGS.unparse_flags()
    run_flags.parse([script, f'--flagfile={path}', '--vocab_file=w'])
    assert (FLAGS.task_name, FLAGS.vocab_file) == ('RTE', 'w')
    assert run_flags.command()['flags'] == (
      ['--do_train', '--task_name=RTE', '--vocab_file=w']
    )


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (None, "^--flagfile: there is no file '.*/flags'$"),
    (b'\xff\xfe\x00', '^--flagfile: expected UTF-8 text, one flag per line: '),
    (b'--flagfile=/none/x\n', '^Unable to open flagfile: .*/none/x'),
    (b'--gone=1\n', "^Unknown command line flag 'gone'"),
  ],
)
def test_a_file_that_holds_no_flags_is_refused(tmp_path, content, message):
  path = tmp_path / 'flags'
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(UserError, match=message):
    _run('run_classifier', flagfile=path)


def test_a_device_or_a_pipe_holds_no_flags(tmp_path):
  with pytest.raises(UserError, match="--flagfile: '/dev/zero' is a device"):
    _run('run_classifier', flagfile='/dev/zero')
  os.mkfifo(tmp_path / 'pipe')
  for name in ('flagfile', 'from_run'):
    with pytest.raises(UserError, match=f"--{name}: '.*/pipe' is a pipe; exp"):
      _run('run_classifier', **{name: tmp_path / 'pipe'})


def test_an_argument_that_is_not_utf8_is_refused():
  with pytest.raises(UserError, match=r"not UTF-8: '--output_dir=o\\udcff'$"):
    _run('run_classifier', output_dir='o\udcff')


def _as_hugging_face(teacher: pathlib.Path, folder: pathlib.Path):
  """Writes a fine-tuned checkpoint as a Hugging Face folder."""
  reader = tf.train.load_checkpoint(str(teacher))
  tensors = {}
  for name in stored_weights.read_variables(location.locate(str(teacher))):
    value = reader.get_tensor(name)
    if name.endswith('/kernel'):
      value = value.T
    name = {
      'output_weights': 'classifier/weight',
      'output_bias': 'classifier/bias',
    }.get(name, name)
    name = re.sub(r'/(kernel|gamma)$', '/weight', name)
    name = re.sub(r'/beta$', '/bias', name)
    name = re.sub(r'_embeddings$', '_embeddings/weight', name)
    name = re.sub(r'layer_(\d)', r'layer/\1', name)
    tensors[name.replace('/', '.')] = np.ascontiguousarray(value)
  folder.mkdir()
  safetensors.numpy.save_file(tensors, folder / 'model.safetensors')
  config = {**tiny_world.CONFIG, 'model_type': 'bert', 'hidden_act': 'gelu_new'}
  (folder / 'config.json').write_text(json.dumps(config))
  shutil.copy(teacher / 'vocab.txt', folder)


def test_a_hugging_face_model_of_another_tokenizer_is_refused(teacher_world):
  folder = teacher_world / 'hugging_face'
  _as_hugging_face(teacher_world / 'teacher', folder)
  options = ModelOptions(init_checkpoint=str(folder), max_seq_length=16)
  text = TokenizerRecord('v.txt', 20, None, do_lower_case=True)
  config = model_config.choose_config(options, text)
  checkpoint_choice.check_start(options, config, text)
  (folder / 'tokenizer_config.json').write_text('{"strip_accents": false}')
  with pytest.raises(
    UserError, match='tokenizer_config.json: strip_accents is'
  ):
    checkpoint_choice.check_start(options, config, text)


@pytest.mark.parametrize(
  ('key', 'value'),
  [('hidden_act', 'relu'), ('num_attention_heads', 4)],
)
def test_what_no_weight_shows_must_be_that_of_the_start(
  teacher_world, key, value
):
  path = str(teacher_world / 'teacher')
  options = ModelOptions(init_checkpoint=path, max_seq_length=16)
  config = BertConfig(**{**tiny_world.CONFIG, key: value})
  text = TokenizerRecord(None, None, None)
  with pytest.raises(
    UserError, match=f'{key} {tiny_world.CONFIG[key]}, the model has {value}'
  ):
    checkpoint_choice.check_start(options, config, text)
  words = dataclasses.replace(options, init='word_embeddings')
  checkpoint_choice.check_start(words, config, text)


def test_a_copy_of_the_run_s_checkpoint_may_be_named(teacher_world):
  teacher = teacher_world / 'teacher'
  copy = shutil.copytree(teacher, teacher_world / 'copy')
  training = TrainingOptions(output_dir=str(teacher))
  for path, is_same in ((copy, True), (copy / 'model.ckpt-0', False)):
    model = ModelOptions(init_checkpoint=str(path))
    with (
      contextlib.nullcontext()
      if is_same
      else pytest.raises(UserError, match='would be evaluated: .*model.ckpt-60')
    ):
      checkpoint_choice.check_named_checkpoint(training, model)


def test_a_padded_hugging_face_vocabulary_needs_the_import(teacher_world):
  folder = teacher_world / 'hugging_face'
  _as_hugging_face(teacher_world / 'teacher', folder)
  options = ModelOptions(init_checkpoint=str(folder), max_seq_length=16)
  with pytest.raises(
    UserError,
    match='v.txt has 18 entries, .*/config.json says vocab_size 20: .* import '
    f'it first, with .*import_hugging_face --input_dir={folder}$',
  ):
    model_config.choose_config(options, TokenizerRecord('v.txt', 18, None))


@pytest.mark.parametrize(
  'form',
  [
    'teacher',
    'teacher/model.ckpt-60',
    'teacher/model.ckpt-60.index',
    'teacher/model.ckpt-60.data-00000-of-00001',
    'hugging_face',
    'hugging_face/model.safetensors',
  ],
)
def test_a_checkpoint_may_be_named_in_several_forms(teacher_world, form):
  _as_hugging_face(teacher_world / 'teacher', teacher_world / 'hugging_face')
  path = str(teacher_world / form)
  options = ModelOptions(init_checkpoint=path, max_seq_length=16)
  text = TokenizerRecord(None, None, None)
  config = model_config.choose_config(options, text)
  checkpoint_choice.check_start(options, config, text)
  assert config.to_dict() == tiny_world.CONFIG
  checkpoint = checkpoint_choice.trained_checkpoint(
    f'{teacher_world}/none', options, text
  )
  name = 'bert/encoder/layer_1/output/dense/kernel'
  np.testing.assert_array_equal(
    stored_weights.StoredWeights(checkpoint).read([name])[name],
    tf.train.load_variable(str(teacher_world / 'teacher'), name),
  )


def test_a_teacher_may_be_a_hugging_face_folder(teacher_world):
  _as_hugging_face(teacher_world / 'teacher', teacher_world / 'hugging_face')
  logits = []
  for teacher in ('teacher', 'hugging_face'):
    _run(
      'run_distillation',
      '--do_dump_logits',
      task_name='SST-2',
      data_dir=teacher_world / 'task',
      vocab_file=teacher_world / 'vocab.txt',
      max_seq_length=16,
      logits_dir=teacher_world / f'dump_{teacher}',
      teacher_checkpoint=teacher_world / teacher,
      transfer_file=teacher_world / 'transfer.txt',
      num_logits_shards=1,
    )
    shard = teacher_world / f'dump_{teacher}' / 'logits-00000-of-00001'
    logits.append(shard.read_bytes())
  assert logits[0] == logits[1]
  # --from_run takes a dump's folder, too; this dump is complete.
  _run('run_distillation', from_run=teacher_world / 'dump_teacher')


def _seed_runs(world):
  """Makes the folders of two seeds, as a run with --num_seeds=2 does."""
  for name in ('seed-12345', 'seed-12346'):
    folder = world / 'out' / name
    folder.mkdir(parents=True)
    for file in ('vocab.txt', 'bert_config.json'):
      shutil.copy(world / file, folder)
    for file in (world / 'teacher').glob('model.ckpt-60.*'):
      shutil.copy(file, folder)
  (world / 'out' / 'seeds.json').write_text('{}')


_NO_FILES = dict.fromkeys(
  (
    *('bert_config_file', 'vocab_file', 'learning_rate', 'num_train_epochs'),
    'train_batch_size',
  )
)


def test_runs_of_several_seeds_are_evaluated_with_the_files_of_the_first(
  teacher_world,
):
  from cli import classifier_flags

  world = teacher_world
  _seed_runs(world)
  arguments = tiny_world.task_flags(world, **_NO_FILES)
  first = f'{world}/out/seed-12345'
  with tiny_world.parsed(
    'run_classifier', *arguments, '--do_eval', '--num_seeds=2'
  ):
    options = classifier_flags.options()
  assert options.model.bert_config_file == f'{first}/bert_config.json'
  assert options.tokenizer.vocab_file == f'{first}/vocab.txt'
  assert options.training.output_dir == f'{world}/out'
  with (
    tiny_world.parsed('run_classifier', *arguments, '--do_eval'),
    pytest.raises(UserError) as error,
  ):
    classifier_flags.options()
  assert str(error.value) == (
    f'{world}/out holds the runs of several seeds. Give `num_seeds` as in '
    f'training, or the folder of one run, as `output_dir`={first}'
  )
  # A checkpoint that is named is evaluated, not one of the folder.
  named = f'--init_checkpoint={first}'
  with tiny_world.parsed('run_classifier', *arguments, named, '--do_eval'):
    assert classifier_flags.options().model.init_checkpoint == first


def test_a_run_does_not_start_from_a_checkpoint_that_it_removes(teacher_world):
  from cli import classifier_flags

  folder = teacher_world / 'teacher'
  start = {'output_dir': folder, 'init_checkpoint': folder}
  flags = tiny_world.task_flags(teacher_world, **start)
  message = r'is .*/model.ckpt-60, which a run in `output_dir`=.* would remove'
  with (
    tiny_world.parsed('run_classifier', *flags, '--do_train'),
    pytest.raises(UserError, match=message),
  ):
    classifier_flags.options()
  with tiny_world.parsed('run_classifier', *flags, '--do_eval'):
    classifier_flags.options()


def test_a_folder_has_a_single_run_or_several_seeds(world):
  from cli import classifier_flags

  _seed_runs(world)
  flags = tiny_world.task_flags(world)
  jobs = ('--do_train', '--do_eval')
  with (
    tiny_world.parsed('run_classifier', *flags, *jobs),
    pytest.raises(UserError, match='/out holds the runs of several seeds'),
  ):
    classifier_flags.options()
  (world / 'out' / 'seeds.json').unlink()  # Not written yet.
  with (
    tiny_world.parsed('run_classifier', *flags, *jobs, '--seed=9'),
    pytest.raises(UserError, match='/out holds the runs of several seeds'),
  ):
    classifier_flags.options()
  (world / 'out' / 'checkpoints').mkdir()  # Of a run with folders inside.
  with tiny_world.parsed('run_classifier', *flags, *jobs):
    classifier_flags.options()
  shutil.rmtree(world / 'out')
  for name, given in (('checkpoints', jobs), ('best', ['--do_eval'])):
    (world / 'out' / name).mkdir(parents=True)
    with (
      tiny_world.parsed('run_classifier', *flags, *given, '--num_seeds=2'),
      pytest.raises(UserError, match='/out holds a single run'),
    ):
      classifier_flags.options()
    (world / 'out' / name).rmdir()
