"""Calibrates a classifier: one temperature, fitted on dev.

Trained classifiers are often overconfident. Dividing their logits by a
temperature T before the softmax changes how confident they are, but never which
label they predict (Guo et al. 2017, arXiv 1706.04599). T minimises the log loss
on dev, and is recorded in the model.json next to the weights; further training
removes it.
"""

from typing import NamedTuple

import numpy as np
from absl import logging

from data.tasks.task import Task
from modeling.checkpoints import location, model_file
from modeling.checkpoints.location import Checkpoint
from system import files
from system.errors import UserError
from training import scoring
from training.metrics import calibration_error

# The lowest and the highest temperature.
_LOWEST, _HIGHEST = 0.02, 50.0


class Quality(NamedTuple):
  """How well probabilities fit labels.

  Attributes:
    log_loss: the mean cross-entropy in nats.
    error: the expected calibration error.
  """

  log_loss: float
  error: float


def fit(logits: np.ndarray, labels: np.ndarray) -> float | None:
  """Fits a temperature.

  The mean log loss is convex in b = 1 / T; its slope, the mean of the expected
  logit under softmax(b logits) minus the label's logit, is 0 at the minimum.

  Args:
    logits: float32 [N, C].
    labels: int [N], label ids.

  Returns:
    T; None if no T from 0.02 to 50 is the minimum. It is below if every
    prediction is right, above if uniform probabilities fit better.
  """
  from scipy import optimize

  logits = logits.astype(np.float64)
  of_labels = logits[np.arange(len(labels)), labels]

  def slope(b: float) -> float:
    probabilities = np.exp(scoring.log_probabilities(logits, 1 / b))
    return float(np.mean((probabilities * logits).sum(axis=1) - of_labels))

  low, high = 1 / _HIGHEST, 1 / _LOWEST
  # False for NaN, too.
  if not slope(low) < 0 < slope(high):
    return None
  return 1 / optimize.brentq(slope, low, high, xtol=1e-12)


def quality(
  logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> Quality:
  """Measures the probabilities at a temperature; arguments as for `fit`."""
  logs = scoring.log_probabilities(logits, temperature)
  return Quality(
    float(-logs[np.arange(len(labels)), labels].mean()),
    calibration_error(labels, np.exp(logs)),
  )


def calibrate(
  checkpoint: Checkpoint, logits: np.ndarray, labels: np.ndarray
) -> None:
  """Fits a temperature and records it next to a checkpoint.

  If none fits, it warns and records 1.0, which changes nothing.

  Args:
    checkpoint: in a folder with a model.json.
    logits: float32 [N, C], the checkpoint's on dev.
    labels: int [N], label ids.
  """
  temperature = fit(logits, labels)
  if temperature is None:
    logging.warning(
      'Not calibrated: no temperature from %g to %g minimises the log loss on '
      'dev. Either all predictions there are right, or uniform probabilities '
      'fit better than these.',
      _LOWEST,
      _HIGHEST,
    )
    model_file.write_temperature(checkpoint.folder, 1.0)
    return
  model_file.write_temperature(checkpoint.folder, temperature)
  before, after = quality(logits, labels), quality(logits, labels, temperature)
  logging.info(
    'Calibrated on the %d examples of dev: temperature %.4f; log loss %.4f '
    '(was %.4f), expected calibration error %.4f (was %.4f)',
    *(len(labels), temperature, after.log_loss, before.log_loss),
    *(after.error, before.error),
  )


def temperature_of(checkpoint: Checkpoint) -> float:
  """Returns the recorded temperature of a checkpoint; 1.0 if there is none.

  It is that of the latest checkpoint in the folder: other ones have none.
  """
  content = checkpoint.model_record()
  if content is None or content.temperature in (None, 1.0):
    return 1.0
  latest = location.locate_latest(checkpoint.folder).prefix
  if files.real_path(latest) != files.real_path(checkpoint.prefix):
    logging.info(
      'The temperature in %s is not used: it belongs to the latest checkpoint, '
      'not to %s.',
      checkpoint.folder,
      checkpoint.prefix,
    )
    return 1.0
  logging.info('Logits are divided by %.4f (temperature)', content.temperature)
  return float(content.temperature)


def check_task(task: Task) -> None:
  """Checks that a task can be calibrated.

  Raises:
    UserError: it is a regression.
  """
  if task.is_regression:
    raise UserError(
      f'`calibrate` cannot take effect: {task.name} predicts numbers, which '
      'have no probabilities'
    )


def check_place(checkpoint: Checkpoint, output_dir: str) -> None:
  """Checks that a checkpoint belongs to the folder of the job.

  Raises:
    UserError: it is elsewhere, where a job must not write.
  """
  folders = [output_dir, location.best_folder(output_dir)]
  if files.real_path(checkpoint.folder) not in map(files.real_path, folders):
    raise UserError(
      '`calibrate` records the temperature next to the weights: they are in '
      f'{checkpoint.folder}, expected in `output_dir`={output_dir}'
    )
