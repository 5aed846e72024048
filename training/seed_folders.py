"""The folders of a job that runs with several seeds.

Does not import TensorFlow. Tested by `tests/cli/run_flags_test.py`.
"""

import dataclasses
import os
import re
from typing import Any

from modeling.checkpoints import run_files
from system import files
from system.errors import UserError
from training import options as training_options

REPORT = 'seeds.json'
_OF_SEED = re.compile(r'seed-\d+')
# What a run has in its folder, and the folder of several seeds has not.
_OF_SINGLE_RUN = ('checkpoint', 'checkpoints', run_files.BEST)


def folder(output_dir: str, seed: int) -> str:
  """Returns the folder of one seed's run."""
  return os.path.join(output_dir, f'seed-{seed}')


def check(options: Any) -> None:
  """Checks that a folder holds one run, or several, as the options say.

  Args:
    options: all settings of a script.

  Raises:
    UserError: the job has one run, but the folder holds several, or the other
      way round.
  """
  training, output_dir = options.training, options.training.output_dir
  if not output_dir:
    return
  is_one = of_first_seed(options) == training
  # A checkpoint that is named may be elsewhere.
  uses_folder = training.do_train or options.model.init_checkpoint is None
  of_single = (os.path.join(output_dir, name) for name in _OF_SINGLE_RUN)
  has_single = any(map(files.exists, of_single))
  if not is_one and has_single:
    raise UserError(
      f'{output_dir} holds a single run. Give another `output_dir` for those '
      'of several seeds'
    )
  # A single run may have folders inside that have the names of seeds.
  seeds = [] if has_single else _seeds_in(output_dir)
  if is_one and uses_folder and seeds:
    raise UserError(
      f'{output_dir} holds the runs of several seeds. Give `num_seeds` as in '
      f'training, or the folder of one run, as `output_dir`={seeds[0]}'
    )


def _seeds_in(output_dir: str) -> list[str]:
  """Returns the paths of the seeds' runs, which may be unfinished."""
  if not files.is_folder(output_dir):
    return []
  names = filter(_OF_SEED.fullmatch, files.list_folder(output_dir))
  return [os.path.join(output_dir, name) for name in names]


def of_seeds(options: Any) -> dict[int, str]:
  """Maps the seeds of a job to their runs' folders; one seed has the job's.

  Args:
    options: all settings of a script, with an `output_dir`.
  """
  training = options.training
  first, count = training.seed, getattr(options.evaluation, 'num_seeds', 1)
  if count == 1:
    return {first: training.output_dir}
  seeds = range(first, first + count)
  return {seed: folder(training.output_dir, seed) for seed in seeds}


def of_first_seed(options: Any) -> training_options.TrainingOptions:
  """Returns the settings of the first seed's run, or of a single run."""
  training = options.training
  is_alone = getattr(options.evaluation, 'num_seeds', 1) == 1
  if is_alone or not training.output_dir:
    return training
  own = folder(training.output_dir, training.seed)
  return dataclasses.replace(training, output_dir=own)
