"""Missing inputs are named before TensorFlow is imported."""

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


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'vocab_file': '/none'}, "^`vocab_file`: there is no file '/none'"),
    ({'vocab_file': '/'}, "^`vocab_file`: '/' is a folder, not a file"),
    ({'bert_config_file': '/none'}, '^`bert_config_file`: there is no file'),
    ({'init_checkpoint': '/none'}, '^`init_checkpoint`: there is no checkpoin'),
    ({'data_dir': '/none'}, "train split of SST-2: there is no file '/none/tr"),
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
    assert classifier_flags.options().task.labels_file == '/none'


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
  ],
)
def test_tensorflow_is_not_imported_before(
  world, script, flags, arguments, message
):
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
  assert lines[0].startswith(message)
  assert lines[1:] == ['False']
