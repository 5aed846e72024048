"""Estimates the disk space that the checkpoints of a run take.

Tested by `tests/training/disk_space_test.py`.
"""

from collections.abc import Iterable

import tensorflow as tf

from training.options import RunSettings
from training.resuming import NUM_KEPT, size_of

_UNITS = ('B', 'kB', 'MB', 'GB', 'TB')


def describe(
  settings: RunSettings, variables: Iterable[tf.Variable], resuming_bytes: int
) -> str:
  """Returns one line: what the run's folder will hold, and its size.

  Args:
    settings: the run's.
    variables: of an exported checkpoint.
    resuming_bytes: the size of a checkpoint to resume from.
  """
  of_weights = sum(map(size_of, variables))
  num_saves = -(-settings.num_train_steps // settings.save_checkpoints_steps)
  num_exports = num_saves + settings.save_initial_checkpoint
  num_exports = min(num_exports, settings.keep_checkpoint_max or num_exports)
  # The clock may bring a second one.
  is_by_steps = not settings.save_checkpoints_minutes
  num_resuming = min(NUM_KEPT, num_saves) if is_by_steps else NUM_KEPT
  parts = [
    f'{num_exports} × {_size(of_weights)} of weights (model.ckpt-<step>)',
    f'{num_resuming} × {_size(resuming_bytes)} to resume from (checkpoints/)',
  ]
  total = num_exports * of_weights + num_resuming * resuming_bytes
  if settings.eval_steps:
    parts.append(f'{_size(of_weights)} for the best weights (best/)')
    total += of_weights
  return (
    f'The checkpoints of this run will take up to {_size(total)} in '
    f'{settings.output_dir}: {", ".join(parts)}.'
  )


def _size(num_bytes: float) -> str:
  for unit in _UNITS:
    if num_bytes < 1000 or unit == _UNITS[-1]:
      break
    num_bytes /= 1000
  digits = 0 if unit == 'B' or num_bytes >= 10 else 1
  return f'{num_bytes:.{digits}f} {unit}'
