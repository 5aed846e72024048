"""The flags of run_pipeline.py.

Tested by `tests/scripts/run_pipeline_test.py`.
"""

from absl import flags

from cli import flag_group, input_paths
from data.tasks.split_options import FOR_TABLES
from pipeline.options import PipelineOptions

FLAGS = flags.FLAGS

# The flags belong to the script that calls `define`.
flags.disclaim_key_flags()

_GROUPS = flag_group.groups_in(PipelineOptions)


def define() -> None:
  """Defines the flags for the calling script."""
  flag_group.define(*_GROUPS)


def options() -> PipelineOptions:
  """Returns the options that the flags give, and checks them.

  Raises:
    UserError: a flag is missing, has no effect, or contradicts another.
  """
  flag_group.require('output_dir')
  flag_group.require_one_of('input_file', 'data_dir')
  flag_group.require_one_of('teacher', 'logits_dir')
  if FLAGS.data_dir:
    flag_group.refuse_if_given(FOR_TABLES, '--data_dir has its splits')
  flag_group.refuse_without_effect(*_GROUPS)
  chosen = flag_group.read_all(PipelineOptions)
  chosen.check()
  input_paths.check(chosen)
  return chosen
