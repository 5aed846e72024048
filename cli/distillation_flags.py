"""The flags of run_distillation.py.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses

from absl import flags

from cli import device_flags, flag_group, input_paths, model_flags, run_flags
from distillation import dump_manifest
from distillation.options import STUDENT_SETTINGS, DistillationOptions
from system.errors import UserError
from training import model_settings

FLAGS = flags.FLAGS

# The flags belong to the script that calls `define`.
flags.disclaim_key_flags()

_GROUPS = flag_group.groups_in(DistillationOptions)


def define() -> None:
  """Defines the flags for the calling script."""
  flag_group.define(run_flags.RunOptions, *_GROUPS)


def options() -> DistillationOptions:
  """Returns the options that the flags give, and checks them.

  Raises:
    UserError: a flag is missing, has no effect, or contradicts another.
  """
  flag_group.require_one_of(
    'do_dump_logits', 'do_import_logits', 'do_train', 'do_eval', 'do_predict'
  )
  flag_group.require('task_name')
  if FLAGS.do_dump_logits:
    flag_group.require('logits_dir', 'teacher_checkpoint')
  if FLAGS.do_import_logits:
    flag_group.require('logits_dir', 'teacher_scores')
  if FLAGS.do_train:
    flag_group.require('logits_dir')
  if FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict:
    flag_group.require('output_dir')
  else:
    flag_group.refuse_if_given(
      STUDENT_SETTINGS,
      'there is no student: none of --do_train, --do_eval and --do_predict is '
      'given',
    )
  chosen = with_kind_of_dump(model_flags.completed(read()))
  if not chosen.tokenizer.vocab_file:
    # A checkpoint that is missing would have given it.
    input_paths.check(chosen)
    flag_group.require('vocab_file')
  chosen.check()
  input_paths.check(chosen)
  # It imports NumPy, which --help does not need.
  from cli import model_inputs

  vocab_file = chosen.tokenizer.vocab_file
  if chosen.dump.do_dump_logits:
    model_inputs.check_teacher_files(
      chosen.dump, chosen.model.max_seq_length, vocab_file
    )
  if chosen.has_student:
    model_inputs.check_files(chosen.model, vocab_file)
  return chosen


def with_kind_of_dump(chosen: DistillationOptions) -> DistillationOptions:
  """Returns options with `regression` if the student's dump is a regressor's.

  Ignores a missing or damaged dump: later checks refuse it.
  """
  task, folders = chosen.task, chosen.dump.logits_dir
  if chosen.makes_dump or not folders or not task.is_custom:
    return chosen
  try:
    is_regression = not dump_manifest.read(folders[0]).labels
  except UserError:
    return chosen
  given = ['regression'] if FLAGS['regression'].present else []
  task = model_settings.of_kind(task, False, is_regression, folders[0], given)
  return dataclasses.replace(chosen, task=task)


def read() -> DistillationOptions:
  """Returns the options that the flags give, even if required ones are missing.

  Raises:
    UserError: a flag has no effect.
  """
  flag_group.refuse_without_effect(*_GROUPS)
  return flag_group.read_all(
    DistillationOptions, devices=device_flags.options(FLAGS.do_train)
  )
