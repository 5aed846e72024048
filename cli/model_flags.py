"""Settings that the model's folder knows, where no flag gives them.

Tested by `tests/cli/model_settings_test.py`.
"""

from typing import Any

from absl import flags

from cli import run_flags
from training import model_settings, seed_folders

FLAGS = flags.FLAGS


def completed(options: Any) -> Any:
  """Returns options with the settings that the model's folder knows.

  Args:
    options: all settings of a script.
  """
  given = [
    name
    for name in FLAGS
    if FLAGS[name].present
    # A run that is evaluated has its own files.
    and (options.training.do_train or not run_flags.is_inherited(name))
  ]
  seed_folders.check(options)
  return model_settings.filled(options, given)
