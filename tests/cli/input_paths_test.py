"""Missing and damaged inputs are named before TensorFlow is imported."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tiny_world

from system.errors import UserError

_SCRIPT = """
import sys
import run_{script}
from cli import {flags}_flags, run_flags
from system.errors import UserError

run_flags.parse(sys.argv)
try:
  {flags}_flags.options()
except UserError as error:
  print(error)
print('tensorflow' in sys.modules)
"""


def _options(world, script, flags, *arguments, **changes):
  values = tiny_world.task_flags(world, **changes)
  with tiny_world.parsed(script, *values, *arguments):
    return flags.options()


def test_paths_may_contain_commas(teacher_world):
  from cli import classifier_flags, input_paths

  world = teacher_world
  folder = world / 'rate=1e-4,seed=1'
  (world / 'teacher').rename(folder)
  start = {'vocab_file': folder / 'vocab.txt', 'init_checkpoint': folder}
  options = _options(
    world, 'run_classifier', classifier_flags, '--do_train', **start
  )
  assert options.model.init_checkpoint == str(folder)
  assert input_paths.paths('a,b', 'files') == ['a', 'b']
  assert input_paths.paths(('a,b', 'c'), '') == ['a,b', 'c']


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'vocab_file': '/none'}, "^`vocab_file`: there is no file '/none'"),
    (
      {'vocab_file': None, 'init_checkpoint': '/none'},
      "^`init_checkpoint`: there is no checkpoint '/none'",
    ),
    ({'vocab_file': '/'}, "^`vocab_file`: '/' is a folder, not a file"),
    ({'bert_config_file': '/none'}, '^`bert_config_file`: there is no file'),
    ({'init_checkpoint': '/none'}, '^`init_checkpoint`: there is no checkpoin'),
    (
      {'data_dir': '/none'},
      "train split of SST-2: there is no folder '/none' .`data_dir`.",
    ),
    (
      {'bert_config_file': None, 'bert_size': '3/100'},
      "^`bert_size`='3/100' is unknown",
    ),
  ],
)
def test_a_missing_input_of_fine_tuning_is_named(world, changes, message):
  from cli import classifier_flags

  with pytest.raises(UserError, match=message):
    _options(world, 'run_classifier', classifier_flags, '--do_train', **changes)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'transfer_file': '/none'}, "^`transfer_file`: no file matches '/none'"),
    (
      {'transfer_file': '/dev/zero'},
      "^`transfer_file`: '/dev/zero' is a device, not a file",
    ),
    ({'teacher_checkpoint': '/none'}, '^`teacher_checkpoint`: there is no che'),
    (
      {'teacher_config_file': '/none'},
      '^`teacher_config_file`: there is no fi',
    ),
  ],
)
def test_a_missing_input_of_a_dump_is_named(teacher_world, changes, message):
  from cli import distillation_flags

  values = {
    'bert_config_file': None,
    'learning_rate': None,
    'logits_dir': teacher_world / 'dump',
    'num_train_epochs': None,
    'output_dir': None,
    'teacher_checkpoint': teacher_world / 'teacher',
    'train_batch_size': None,
    'transfer_file': teacher_world / 'transfer.txt',
  }
  command = (teacher_world, 'run_distillation', distillation_flags)
  _options(*command, '--do_dump_logits', **values)
  with pytest.raises(UserError, match=message):
    _options(*command, '--do_dump_logits', **{**values, **changes})


def test_a_student_needs_a_complete_dump(world):
  from cli import distillation_flags

  with pytest.raises(UserError, match="there is no complete dump in '/none'"):
    _options(
      *(world, 'run_distillation', distillation_flags, '--do_train'),
      logits_dir='/none',
    )


def test_inputs_without_effect_are_not_looked_for(teacher_world):
  from cli import classifier_flags

  run_file = teacher_world / 'teacher' / 'run.json'
  text = run_file.read_text()
  run_file.write_text(
    text.replace('"--do_train"', '"--do_train", "--labels_file=/none"')
  )
  with tiny_world.parsed('run_classifier', f'--from_run={run_file.parent}'):
    assert classifier_flags.options().task.labels_file is None


_BAD_CONFIGS = [
  ('{', 'bert_config.json is not valid JSON'),
  ('[' * 200_000, 'bert_config.json is not valid JSON: its values are nested'),
  ('[]', 'a BERT configuration must be a JSON object'),
  ({'num_hidden_layers': None}, 'num_hidden_layers is None, expected a posit'),
  ({'num_hiden_layers': 2}, "unknown key 'num_hiden_layers'"),
  ({'hidden_size': 9}, 'hidden_size is 9, expected a multiple of num_attent'),
  ({'hidden_act': 'gelu' * 99}, r"hidden_act is '(gelu){15}'\.\.\., expected"),
  ({'vocab_size': 21}, 'has 20 entries, .*config.json says vocab_size 21'),
  ({'max_position_embeddings': 8}, '`max_seq_length`=16 is more than the mo'),
]


def _break_config(path: pathlib.Path, change) -> None:
  if isinstance(change, dict):
    values = json.loads(path.read_text())
    if 'num_hiden_layers' in change:
      del values['num_hidden_layers']
    change = json.dumps({**values, **change})
  path.write_text(change)


@pytest.mark.parametrize('is_beside', [False, True])
@pytest.mark.parametrize(('change', 'message'), _BAD_CONFIGS)
def test_a_bad_configuration_is_refused(
  teacher_world, change, message, is_beside
):
  from cli import classifier_flags

  changes = {}
  path = teacher_world / 'bert_config.json'
  if is_beside:
    changes = {
      'bert_config_file': None,
      'init_checkpoint': teacher_world / 'teacher',
    }
    path = teacher_world / 'teacher' / 'bert_config.json'
  _break_config(path, change)
  with pytest.raises(UserError, match=message):
    _options(
      *(teacher_world, 'run_classifier', classifier_flags, '--do_train'),
      **changes,
    )


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'vocab_size': 21}, 'says vocab_size 21'),
    # `extend_positions` does not help a teacher.
    (
      {'max_position_embeddings': 4},
      r'4 positions \(max_position_embeddings\)$',
    ),
  ],
)
@pytest.mark.parametrize('names_file', [False, True])
def test_a_bad_configuration_of_a_teacher_is_refused(
  teacher_world, names_file, change, message
):
  from cli import distillation_flags

  teacher = teacher_world / 'teacher'
  config_file = teacher / 'bert_config.json'
  _break_config(config_file, change)
  values = dict.fromkeys(
    (
      *('bert_config_file', 'learning_rate', 'num_train_epochs'),
      *('output_dir', 'train_batch_size'),
    )
  )
  with pytest.raises(UserError, match=message):
    _options(
      teacher_world,
      'run_distillation',
      distillation_flags,
      '--do_dump_logits',
      **values,
      logits_dir=teacher_world / 'dump',
      teacher_checkpoint=teacher,
      teacher_config_file=config_file if names_file else None,
      transfer_file=teacher_world / 'transfer.txt',
    )


def test_a_run_whose_checkpoint_is_cut_off_is_not_evaluated(teacher_world):
  from cli import classifier_flags

  teacher = teacher_world / 'teacher'
  data = teacher / 'model.ckpt-60.data-00000-of-00001'
  os.truncate(data, 100)
  with pytest.raises(UserError, match=f'^{data} cannot be read, .* 100 bytes'):
    _options(
      *(teacher_world, 'run_classifier', classifier_flags, '--do_eval'),
      **dict.fromkeys(
        ['learning_rate', 'num_train_epochs', 'train_batch_size']
      ),
      output_dir=teacher,
    )


@pytest.mark.parametrize(
  ('script', 'flags', 'arguments', 'message'),
  [
    (
      *('classifier', 'classifier'),
      ['--task_name=SST-2', '--vocab_file=/none', '--data_dir={world}/task'],
      "`vocab_file`: there is no file '/none'",
    ),
    (
      *('pretraining', 'pretraining'),
      ['--input_file={world}/task/dev.tsv', '--init_checkpoint={world}/none'],
      '`init_checkpoint`: there is no checkpoint',
    ),
    (
      *('classifier', 'classifier'),
      [
        '--task_name=SST-2',
        '--vocab_file={world}/vocab.txt',
        '--data_dir={world}/task',
        '--init_checkpoint={world}/cut',
      ],
      '`init_checkpoint`: {world}/cut/model.ckpt-8.index cannot be read, it',
    ),
    (
      *('classifier', 'classifier'),
      [
        '--task_name=SST-2',
        '--vocab_file={world}/vocab.txt',
        '--data_dir={world}/task',
        '--bert_config_file={world}/bert_config.json',
        '--max_seq_length=33',
      ],
      "`max_seq_length`=33 is more than the model's 32 positions",
    ),
  ],
)
def test_tensorflow_is_not_imported_before(
  world, script, flags, arguments, message
):
  (world / 'cut').mkdir()
  (world / 'cut' / 'model.ckpt-8.index').touch()
  (world / 'cut' / 'checkpoint').write_text(
    'model_checkpoint_path: "model.ckpt-8"\n'
  )
  arguments = [text.format(world=world) for text in arguments]
  done = subprocess.run(
    [
      *(sys.executable, '-c', _SCRIPT.format(script=script, flags=flags)),
      *('--do_train', f'--output_dir={world}/out', *arguments),
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  lines = done.stdout.splitlines()
  assert lines[0].startswith(message.format(world=world))
  assert lines[1:] == ['False']


@pytest.mark.parametrize(
  ('script', 'arguments'),
  [
    ('run_classifier', ['--do_train']),
    ('run_pretraining', ['--do_train', '--num_train_steps=1']),
  ],
)
def test_nothing_is_written_if_a_weight_is_damaged(
  teacher_world, script, arguments
):
  data = teacher_world / 'teacher' / 'model.ckpt-60.data-00000-of-00001'
  content = bytearray(data.read_bytes())
  content[400] ^= 1
  data.write_bytes(content)
  changes = {'init_checkpoint': teacher_world / 'teacher'}
  if script == 'run_pretraining':
    tiny_world.make_records(teacher_world, str(teacher_world / 'records'))
    absent = ('task_name', 'data_dir', 'num_train_epochs')
    changes |= {'input_file': teacher_world / 'records'}
    changes |= {'max_predictions_per_seq': 3, **dict.fromkeys(absent)}
  flags = tiny_world.task_flags(teacher_world, **changes)
  with pytest.raises(UserError, match='model.ckpt-60.* damaged'):
    tiny_world.run(script, *flags, *arguments)
  assert not (teacher_world / 'out').exists()
