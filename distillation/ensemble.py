"""The mean of several teachers' predictions."""

from collections.abc import Iterable

import numpy as np

from distillation.logits_dump import Dump
from system.errors import UserError
from training import scoring


def mean_logits(
  logits: np.ndarray, is_regression: bool, temperature: float = 1.0
) -> np.ndarray:
  """Averages the predictions of several teachers.

  Args:
    logits: float32 [K, ..., C] of K teachers.
    is_regression: whether the logits are predicted numbers.
    temperature: T.

  Returns:
    float32 [..., C]: the mean of numbers; otherwise T log(mean(softmax(z / T)))
    of the logits z, whose softmax at T is the mean of the teachers'. A single
    teacher's logits are returned as they are.
  """
  if len(logits) == 1:
    return logits[0]
  if is_regression:
    return logits.mean(axis=0, dtype=np.float64).astype(np.float32)
  from scipy import special

  log_probabilities = scoring.log_probabilities(logits, temperature)
  mean = special.logsumexp(log_probabilities, axis=0) - np.log(len(logits))
  return (temperature * mean).astype(np.float32)


def dev_logits(
  dumps: Iterable[Dump],
  split: str,
  shape: tuple[int, int],
  is_regression: bool,
) -> np.ndarray | None:
  """Returns the teachers' mean logits on the dev split.

  Args:
    dumps: one for each teacher.
    split: the checksum of the evaluated examples.
    shape: [N, C].
    is_regression: as for `mean_logits`.

  Returns:
    float32 [N, C]; None if a dump has no logits on these examples.
  """
  dumps = list(dumps)
  if any(dump.manifest.dev_split != split for dump in dumps):
    return None
  logits = [dump.dev_logits(shape) for dump in dumps]
  if any(values is None for values in logits):
    return None
  return mean_logits(np.stack(logits), is_regression)


def check_temperature(dumps: Iterable[Dump], temperature: float) -> None:
  """Checks that soft labels at a temperature can be made from dumps.

  The logits of a merged dump give the mean of its teachers' probabilities at
  the temperature that it was made with, and at no other.

  Raises:
    UserError: a merged dump was made at another temperature.
  """
  for dump in dumps:
    manifest = dump.manifest
    if manifest.merged_from and manifest.temperature != temperature:
      raise UserError(
        f'the dump in {dump.folder} averages {len(manifest.merged_from)} '
        f'teachers at temperature {manifest.temperature:g}, but `temperature` '
        f'is {temperature:g}: give the same temperature, or the dumps of the '
        'teachers themselves'
      )
