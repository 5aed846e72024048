"""Settings that the model's folder records, if no flag gives them.

Tested by `tests/cli/inherited_settings_test.py`.
"""

from typing import Any

from absl import flags

from cli import flag_group, input_paths, run_flags
from training import inherited_settings, seed_folders

FLAGS = flags.FLAGS


def completed(options: Any) -> Any:
  """Returns options with the settings that the model's folder records.

  Args:
    options: all settings of a script.

  Raises:
    UserError: the run to evaluate is damaged, the folder does not hold the runs
      that the options describe, or the run would remove its own start; or as
      for `inherited_settings.filled`.
  """
  # It imports NumPy, which --help does not need.
  from cli import model_inputs

  seed_folders.check(options)
  run = seed_folders.of_first_seed(options)
  model_inputs.check_run(run)
  model_inputs.check_start_folder(run, options.model)
  is_evaluated = inherited_settings.run_to_evaluate(options) is not None
  given = [
    name
    for name in FLAGS
    if FLAGS[name].present
    # A run that is evaluated has its own files.
    and not (is_evaluated and run_flags.is_inherited(name))
  ]
  return inherited_settings.filled(options, given)


def check_task(options: Any) -> None:
  """Checks the completed options of a script that has a task, and their paths.

  Raises:
    UserError: a flag is missing, has no effect, or contradicts another; or a
      file is missing.
  """
  if not options.tokenizer.vocab_file:
    # A checkpoint that is missing would have given it.
    input_paths.check(options)
    flag_group.require('vocab_file')
  options.check()
  input_paths.check(options)
