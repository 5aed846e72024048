"""The flags of run_pretraining.py.

Tested by `tests/scripts/run_pretraining_test.py`.
"""

from absl import flags

from cli import device_flags, flag_group, input_paths, model_flags, run_flags
from training.pretraining_options import PretrainingOptions

# The flags belong to the script that calls `define`.
flags.disclaim_key_flags()

_GROUPS = flag_group.groups_in(PretrainingOptions)


def define() -> None:
  """Defines the flags for the calling script."""
  flag_group.define(run_flags.RunOptions, *_GROUPS)


def options() -> PretrainingOptions:
  """Returns the options that the flags give, and checks them.

  Raises:
    UserError: a flag is missing, has no effect, or contradicts another.
  """
  flag_group.require_one_of('do_train', 'do_eval')
  flag_group.require('input_file', 'output_dir')
  chosen = model_flags.completed(read())
  chosen.check()
  input_paths.check(chosen)
  # It imports NumPy, which --help does not need.
  from cli import model_inputs

  vocab_file = chosen.vocabulary.vocab_file
  model_inputs.check_files(chosen.model, vocab_file)
  if chosen.training.do_train and chosen.distillation.teacher_checkpoint:
    model_inputs.check_teacher_files(
      chosen.distillation, chosen.model.max_seq_length, vocab_file
    )
  return chosen


def read() -> PretrainingOptions:
  """Returns the options that the flags give, even if required ones are missing.

  Raises:
    UserError: a flag has no effect.
  """
  flag_group.refuse_without_effect(*_GROUPS)
  return flag_group.read_all(PretrainingOptions, devices=device_flags.options())
