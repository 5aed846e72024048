"""The flags of run_classifier.py.

Tested by `tests/scripts/run_classifier_test.py`.
"""

from absl import flags

from cli import device_flags, flag_group, model_flags, run_flags
from training.task_job_options import TaskJobOptions

FLAGS = flags.FLAGS

# The flags belong to the script that calls `define`.
flags.disclaim_key_flags()

_GROUPS = flag_group.groups_in(TaskJobOptions)


def define() -> None:
  """Defines the flags for the calling script."""
  flag_group.define(run_flags.RunOptions, *_GROUPS)


def options() -> TaskJobOptions:
  """Returns the options that the flags give, and checks them.

  Raises:
    UserError: a flag is missing, has no effect, or contradicts another.
  """
  flag_group.require_one_of('do_train', 'do_eval', 'do_predict')
  flag_group.require('task_name', 'output_dir')
  chosen = model_flags.completed(read())
  model_flags.check_task(chosen)
  # It imports NumPy, which --help does not need.
  from cli import model_inputs

  model_inputs.check_files(chosen.model, chosen.tokenizer.vocab_file)
  return chosen


def read() -> TaskJobOptions:
  """Returns the options that the flags give, even if required ones are missing.

  Raises:
    UserError: a flag has no effect.
  """
  flag_group.refuse_without_effect(*_GROUPS)
  return flag_group.read_all(
    TaskJobOptions, devices=device_flags.options(FLAGS.do_train)
  )
