"""Settings that the model's folder records, if no flag gives them.

Tested by `tests/cli/model_settings_test.py`.
"""

from typing import Any

from absl import flags

from cli import run_flags
from training import model_settings, seed_folders

FLAGS = flags.FLAGS


def completed(options: Any) -> Any:
  """Returns options with the settings that the model's folder records.

  Args:
    options: all settings of a script.

  Raises:
    UserError: the run to evaluate is damaged, the folder does not hold the runs
      that the options describe, or the run would remove its own start; or as
      for `model_settings.filled`.
  """
  # It imports NumPy, which --help does not need.
  from cli import model_inputs

  seed_folders.check(options)
  run = seed_folders.of_first_seed(options)
  model_inputs.check_run(run)
  model_inputs.check_start_folder(run, options.model)
  is_evaluated = model_settings.run_to_evaluate(options) is not None
  given = [
    name
    for name in FLAGS
    if FLAGS[name].present
    # A run that is evaluated has its own files.
    and not (is_evaluated and run_flags.is_inherited(name))
  ]
  return model_settings.filled(options, given)
