"""The flags of run_classifier.py."""

from absl import flags

from cli import device_flags, flag_group, run_flags
from training.options import TaskJobOptions

FLAGS = flags.FLAGS

# The flags belong to the script that calls `define`.
flags.disclaim_key_flags()

_GROUPS = flag_group.groups_in(TaskJobOptions)


def define() -> None:
  """Defines the flags for the calling script."""
  flag_group.define(run_flags.RunOptions, *_GROUPS)


def options() -> TaskJobOptions:
  """Returns what the flags say.

  Raises:
    UserError: a flag is missing or has no effect.
  """
  flag_group.require_one_of('do_train', 'do_eval', 'do_predict')
  flag_group.require('task_name', 'vocab_file', 'output_dir')
  chosen = read()
  chosen.check()
  return chosen


def read() -> TaskJobOptions:
  """Returns what the flags say, without asking for the required ones.

  Raises:
    UserError: a flag has no effect.
  """
  flag_group.refuse_without_effect(*_GROUPS)
  return flag_group.read_all(
    TaskJobOptions, devices=device_flags.options(FLAGS.do_train)
  )
