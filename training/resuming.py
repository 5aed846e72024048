"""What a run that was stopped goes on from.

checkpoints/ckpt-<step> holds the weights, the optimizer's slots, the step and
what the steps since the last stop came to; `model.ckpt-<step>`, which others
load, is written after it.
"""

import os
import re
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from absl import logging

from devices import restart, workers
from modeling.checkpoints import location, tensor_bundle
from modeling.checkpoints.location import INDEX
from system import files, temporary_files
from system.errors import UserError
from training import run_lock
from training.optimization import AdamW
from training.step_statistics import StepStatistics

_SAVED = re.compile(r'ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})')
_STATISTICS = 'tally'  # Its key in checkpoints; earlier ones have it, too.
# A spare one, should the newest be damaged.
_KEPT = 2


def has_progress(output_dir: str) -> bool:
  """Whether `output_dir` holds a checkpoint to go on from."""
  return bool(_saved(output_dir))


def _progress_dir(output_dir: str) -> str:
  return os.path.join(output_dir, 'checkpoints')


def _saved(output_dir: str, suffix: str = INDEX) -> dict[int, str]:
  """Maps the steps that a run can go on from to prefixes, the newest first.

  Args:
    output_dir: the run's folder.
    suffix: of the file that shows a checkpoint; without an index it is none.
  """
  folder = _progress_dir(output_dir)
  names = files.list_folder(folder) if files.is_folder(folder) else []
  matches = [_SAVED.fullmatch(name) for name in names if name.endswith(suffix)]
  steps = sorted({int(match[1]) for match in matches if match}, reverse=True)
  return {step: os.path.join(folder, f'ckpt-{step}') for step in steps}


class Checkpointer:
  """Saves what a run needs to go on, and what others can load.

  Of several workers each restores, and the chief saves. What is saved is the
  same on all of them, and reading it needs no other worker.

  tf.train.CheckpointManager is not used: it removes whatever the `checkpoint`
  file in its folder names as old, wherever that is; and what a killed
  `tf.train.Checkpoint` leaves are folders that nobody removes.
  """

  def __init__(
    self,
    output_dir: str,
    variables: Mapping[str, tf.Variable],
    optimizer: AdamW,
    statistics: StepStatistics,
    export: Callable[[int], str],
  ):
    """Makes a checkpointer.

    Args:
      output_dir: the run's folder.
      variables: the model's, by their released names.
      optimizer: whose slots and step are saved beside them.
      statistics: saved too.
      export: writes `model.ckpt-<step>` and what belongs to it.
    """
    self._output_dir = output_dir
    self._variables = variables
    self._optimizer = optimizer
    self._statistics = statistics
    self._export = export
    self._state = _named(variables, optimizer)

  @property
  def can_restore(self) -> bool:
    """Whether there is a checkpoint to go on from."""
    return has_progress(self._output_dir)

  def restore(self) -> int:
    """Restores the newest whole checkpoint and returns its step.

    Raises:
      UserError: none can be read; says what is wrong with each.
    """
    damage = []
    for prefix in _saved(self._output_dir).values():
      try:
        self._restore(prefix)
        break
      except UserError as error:
        damage.append(str(error))
        logging.warning('%s is damaged and is skipped: %s', prefix, error)
    else:
      raise UserError(
        f'no checkpoint in {_progress_dir(self._output_dir)} can be read. '
        'Remove that folder to start this run again from its beginning. '
        + '; '.join(damage)
      )
    step = int(self._optimizer.step.numpy())
    # A run may have been killed while it wrote what belongs to one step.
    if workers.is_chief() and self._statistics.start == step:
      self._export_if_missing(step)
    return step

  def _restore(self, prefix: str) -> None:
    """Assigns a checkpoint's values when all of them are read and fit."""
    values = tensor_bundle.read(prefix)
    statistics = values.pop(_STATISTICS, b'')
    _check_fit(prefix, values, self._state)
    try:
      self._statistics.restore(tf.compat.as_text(statistics))
    except (TypeError, ValueError) as error:
      raise UserError(f'{prefix} is not of a run: {error}') from error
    for name, variable in self._state.items():
      variable.assign(values[name])

  def _export_if_missing(self, step: int) -> None:
    """Exports a step again unless that was completed: `checkpoint` is last."""
    expected = os.path.join(self._output_dir, f'model.ckpt-{step}')
    try:
      if location.locate(self._output_dir).prefix != expected:
        wrong = f'the latest checkpoint is not {expected}'
      else:
        wrong = tensor_bundle.whats_wrong(expected)
    except UserError as error:
      wrong = str(error)
    if wrong:
      logging.info('Writing model.ckpt-%d again: %s', step, wrong)
      self._export(step)

  def save(self, step: int) -> None:
    """Saves both checkpoints of a step.

    Between two stops, where a run ends because it was asked to, it saves the
    one that it can go on from, and exports none.

    Raises:
      UserError: a weight is not finite, and nothing is written; or a file
        cannot be written, and those that stand there stay.
    """
    for name, variable in self._variables.items():
      if not tf.reduce_all(tf.math.is_finite(variable)):
        raise UserError(
          f'{name} is not finite any more at step {step}; the last checkpoint '
          'is kept. Is --learning_rate too high?'
        )
    if workers.is_chief():
      run_lock.check(self._output_dir)
      self._write(step)
      if self._statistics.start == step:
        self._export(step)
    restart.note_progress()

  def _write(self, step: int) -> None:
    """Writes what a run can go on from, and removes what is old."""
    folder = _progress_dir(self._output_dir)
    files.make_folder(folder)
    tensors = {name: x.read_value() for name, x in self._state.items()}
    tensors[_STATISTICS] = tf.constant(self._statistics.to_json())
    prefix = os.path.join(folder, f'ckpt-{step}')
    tensor_bundle.write(prefix, tensors)
    # Later steps are left from a run that was set back; they are not its past.
    past = [x for x in _saved(self._output_dir) if x <= step]
    for old, prefix in _saved(self._output_dir, suffix='').items():
      if old not in past[:_KEPT]:
        tensor_bundle.remove(prefix)
    temporary_files.remove_abandoned(folder, r'ckpt-\d+', is_alone=True)


def _named(
  variables: Mapping[str, tf.Variable], optimizer: AdamW
) -> dict[str, tf.Variable]:
  """Names all that is restored: the model's variables and the optimizer's."""
  models = {id(variable) for variable in variables.values()}
  state = {f'model/{name}': x for name, x in variables.items()}
  for variable in optimizer.variables:
    if id(variable) not in models:
      name = f'optimizer/{variable.name.removesuffix(":0")}'
      if name in state:
        raise ValueError(f'two variables have the name {name}')
      state[name] = variable
  return state


def _check_fit(
  prefix: str,
  values: Mapping[str, np.ndarray],
  state: Mapping[str, tf.Variable],
) -> None:
  """Raises a `UserError` that names what is missing, too much or different."""
  found = {
    name: f'{np.asarray(x).dtype.name} {list(np.shape(x))}'
    for name, x in values.items()
  }
  expected = {
    name: f'{x.dtype.name} {x.shape.as_list()}' for name, x in state.items()
  }
  wrong = [
    f'{name} is {found.get(name, "not there")}, expected '
    f'{expected.get(name, "none")}'
    for name in sorted(found.keys() | expected.keys())
    if found.get(name) != expected.get(name)
  ]
  if wrong:
    raise UserError(f'{prefix} is not of this run: {location.first_few(wrong)}')
