"""Groups of settings as flags."""

import pytest
import tiny_world

from cli import flag_group
from system.errors import UserError
from system.settings import declared_in
from training.evaluation_options import TaskEvaluationOptions
from training.options import Epochs, RunSettings
from training.task_job_options import TaskJobOptions


def _parsed(*arguments):
  return tiny_world.parsed('run_classifier', *arguments)


def test_a_group_is_read_from_its_flags():
  with _parsed('--num_train_epochs=2'):
    assert flag_group.read(Epochs) == Epochs(2.0, 0.1)
    assert flag_group.read(Epochs, warmup_proportion=0.5) == Epochs(2.0, 0.5)


def test_only_names_of_flags_become_flags():
  text = '`do_train` of `run.json` needs `not_a_flag` and do_eval'
  expected = '--do_train of `run.json` needs `not_a_flag` and do_eval'
  with _parsed():
    assert flag_group.as_flags(text) == expected


def test_missing_flags_are_named():
  with _parsed('--task_name=x', '--vocab_file='):
    flag_group.require('task_name')
    with pytest.raises(UserError, match='^--vocab_file, --output_dir must be'):
      flag_group.require('task_name', 'vocab_file', 'output_dir')
    with pytest.raises(
      UserError, match='^at least one of --do_train, --do_eval and --do_predict'
    ):
      flag_group.require_one_of('do_train', 'do_eval', 'do_predict')
  with _parsed('--do_eval'):
    flag_group.require_one_of('do_train', 'do_eval', 'do_predict')


def test_flags_with_unmet_needs_are_refused_if_given():
  with _parsed():
    flag_group.refuse_without_effect(Epochs)
  with (
    _parsed('--eval_steps=5', '--num_seeds=2'),
    pytest.raises(
      UserError, match='^--eval_steps cannot take effect: `do_train` is not'
    ),
  ):
    flag_group.refuse_without_effect(TaskEvaluationOptions)


_FLOATS = [
  (group, each.name)
  for group in flag_group.groups_in(TaskJobOptions)
  for each in declared_in(group)
  if each.kind is float
]


@pytest.mark.parametrize('value', ['nan', 'inf', '-inf'])
@pytest.mark.parametrize(('group', 'name'), _FLOATS)
def test_a_float_flag_is_a_finite_number(group, name, value):
  with (
    pytest.raises(UserError, match=f'{name}`?={value}'),
    _parsed(f'--{name}={value}'),
  ):
    flag_group.read(group)


def test_the_number_of_steps_has_a_limit():
  epochs = Epochs(num_train_epochs=1e30)
  with pytest.raises(UserError) as error:
    epochs.num_steps(num_examples=48, batch_size=8)
  assert str(error.value) == (
    '`num_train_epochs`=1e+30 of 48 examples with `train_batch_size`=8 is more '
    'than 2,147,483,647 steps'
  )


def test_a_count_of_twenty_digits_is_refused():
  with (
    tiny_world.parsed('run_pretraining', f'--num_train_steps={10**20}'),
    pytest.raises(
      UserError, match='`num_train_steps`=10{20}: expected 1 to 2,1'
    ),
  ):
    flag_group.read(RunSettings)
