"""Groups of settings as flags."""

import pytest
import tiny_world

from cli import flag_group
from system.errors import UserError
from training.options import Epochs, TaskEvaluationOptions


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
