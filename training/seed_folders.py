"""The folders of a job that runs with several seeds.

Does not import TensorFlow. Tested by `tests/cli/run_flags_test.py`.
"""

import dataclasses
import os
from typing import TypeVar

from training import options as training_options

Options = TypeVar('Options')


def folder(output_dir: str, seed: int) -> str:
  """Returns the folder of one seed's run."""
  return os.path.join(output_dir, f'seed-{seed}')


def with_files_of_run(options: Options) -> Options:
  """As `training.options.with_files_of_run`, from the first seed's run.

  Args:
    options: all settings of a script.
  """
  first = dataclasses.replace(options, training=of_first_seed(options))
  return dataclasses.replace(
    training_options.with_files_of_run(first), training=options.training
  )


def of_first_seed(options: Options) -> training_options.TrainingOptions:
  """Returns the settings of the first seed's run; the only one's if alone."""
  training = options.training
  is_alone = getattr(options.evaluation, 'num_seeds', 1) == 1
  if is_alone or not training.output_dir:
    return training
  own = folder(training.output_dir, training.seed)
  return dataclasses.replace(training, output_dir=own)
