"""Checkpoints from which a stopped run resumes.

checkpoints/ckpt-<step> holds the weights, the optimizer's slots, the step and
the statistics of the current log interval. `model.ckpt-<step>`, the checkpoint
that other programs load, is written after it, except within a log interval.

There is no checkpoint of step 0: a run that is killed before its first
checkpoint starts again.
"""

import os
import re
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from absl import logging

from devices import restart, workers
from modeling.checkpoints import file_names, location, tensor_bundle
from modeling.checkpoints.file_names import INDEX
from system import files, temporary_files
from system.errors import Unavailable, UserError, few
from training import run_lock
from training.optimization import AdamW
from training.step_statistics import StepStatistics

_SAVED = re.compile(r'ckpt-(\d+)\.(index|data-\d{5}-of-\d{5})')
# The statistics' key in a checkpoint. A new key would make existing
# checkpoints unreadable.
_STATISTICS = 'tally'
# The newest checkpoint, and a spare in case the newest is damaged.
NUM_KEPT = 2


def has_progress(output_dir: str) -> bool:
  """Returns whether a run in `output_dir` has finished a step and saved it."""
  return bool(_checkpoints(output_dir))


def _progress_dir(output_dir: str) -> str:
  return os.path.join(output_dir, 'checkpoints')


def _checkpoints(output_dir: str, suffix: str = INDEX) -> dict[int, str]:
  """Maps the steps of a run's checkpoints to their prefixes, newest first.

  Args:
    output_dir: the run's folder.
    suffix: the suffix of the files to look for. Without an index file a
      checkpoint is incomplete; '' finds the incomplete ones, too.
  """
  folder = _progress_dir(output_dir)
  names = files.list_folder(folder) if files.is_folder(folder) else []
  matches = [_SAVED.fullmatch(name) for name in names if name.endswith(suffix)]
  steps = sorted({int(match[1]) for match in matches if match}, reverse=True)
  return {step: os.path.join(folder, f'ckpt-{step}') for step in steps}


class Checkpointer:
  """Saves the state that a run resumes from, and exports its weights.

  With several workers, each one restores and the chief saves. All workers have
  the same state, so restoring needs no communication.

  tf.train.CheckpointManager is not used: it removes every checkpoint that the
  `checkpoint` file in its folder lists as old, wherever it is, and nothing
  removes the folders that a killed `tf.train.Checkpoint` leaves.
  """

  def __init__(
    self,
    output_dir: str,
    variables: Mapping[str, tf.Variable],
    optimizer: AdamW,
    statistics: StepStatistics,
    export: Callable[[int], str],
    is_planned: Callable[[int], bool] = lambda step: True,
  ):
    """Makes a checkpointer.

    Args:
      output_dir: the run's folder.
      variables: the model's variables by their released names.
      optimizer: its slots and its step are saved, too.
      statistics: saved, too.
      export: takes a step; writes `model.ckpt-<step>` and the files next to it.
      is_planned: returns whether an undisturbed run saves a step, whatever its
        clock says.
    """
    self._output_dir = output_dir
    self._variables = variables
    self._optimizer = optimizer
    self._statistics = statistics
    self._export = export
    self._is_planned = is_planned
    self._state = _named(variables, optimizer)

  @property
  def can_restore(self) -> bool:
    """Whether there is a checkpoint to resume from."""
    return has_progress(self._output_dir)

  def restore(self) -> int:
    """Restores the newest undamaged checkpoint and returns its step.

    Raises:
      Unavailable: storage does not answer now.
      UserError: no checkpoint can be read; the message names each one's damage.
    """
    damage = []
    for prefix in _checkpoints(self._output_dir).values():
      try:
        self._restore(prefix)
        break
      except Unavailable:
        raise
      except UserError as error:
        damage.append(str(error))
        logging.warning('%s is damaged and is skipped: %s', prefix, error)
    else:
      raise UserError(
        f'no checkpoint in {_progress_dir(self._output_dir)} can be read. '
        f'Remove {self._output_dir} to start this run from the beginning. '
        + '; '.join(damage)
      )
    step = int(self._optimizer.step.numpy())
    # The run may have been killed before it exported this step.
    if self._statistics.start == step:
      workers.chief_does(lambda: self._export_if_missing(step))
    return step

  def _restore(self, prefix: str) -> None:
    """Assigns a checkpoint's values once all of them are read and fit."""
    values = tensor_bundle.read(prefix)
    statistics = values.pop(_STATISTICS, b'')
    _check_fit(prefix, values, self._state)
    try:
      self._statistics.restore(tf.compat.as_text(statistics))
    except (TypeError, ValueError) as error:
      raise UserError(
        f'{prefix} is not a checkpoint of a run: {error}'
      ) from error
    for name, variable in self._state.items():
      variable.assign(values[name])

  def _export_if_missing(self, step: int) -> None:
    """Exports a step again unless its export is complete and undamaged.

    `checkpoint`, which names the export, is written last.
    """
    expected = os.path.join(self._output_dir, file_names.of_step(step))
    try:
      if location.locate_latest(self._output_dir).prefix != expected:
        problem = f'the latest checkpoint is not {expected}'
      else:
        problem = tensor_bundle.whats_wrong(expected)
    except UserError as error:
      problem = str(error)
    if problem:
      logging.info('Writing %s again: %s', os.path.basename(expected), problem)
      self._export(step)

  def save(self, step: int) -> None:
    """Saves a step's checkpoint, and exports its weights.

    In the middle of a log interval it exports nothing: there a run saves only
    by the clock, or because it was asked to stop.

    Raises:
      UserError: a weight is not finite, and nothing is written; or a file
        cannot be written, and the existing checkpoints stay.
    """
    self._check_finite(step)
    workers.chief_does(lambda: self._save(step))
    restart.note_progress()

  def _save(self, step: int) -> None:
    run_lock.check(self._output_dir)
    self._write(step)
    if self._statistics.start == step:
      self._export(step)

  def start(self, exports: bool) -> None:
    """Begins a run at step 0, in a folder without progress.

    Args:
      exports: whether to write the initial weights, as `model.ckpt-0`.

    Raises:
      UserError: as for `save`.
    """
    self._check_finite(0)
    workers.chief_does(lambda: self._begin(exports))

  def _begin(self, exports: bool) -> None:
    run_lock.check(self._output_dir)
    # It names the last weights of an earlier run.
    state_file = os.path.join(self._output_dir, location.STATE_FILE)
    if files.exists(state_file):
      files.remove(state_file)
    if exports:
      self._export(0)

  def _check_finite(self, step: int) -> None:
    for name, variable in self._variables.items():
      if not tf.reduce_all(tf.math.is_finite(variable)):
        raise UserError(
          f'{name} is not finite at step {step}; the last checkpoint is kept. '
          'Is `learning_rate` too high?'
        )

  @property
  def num_bytes(self) -> int:
    """The size of one checkpoint, without the names in it."""
    return sum(map(size_of, self._state.values()))

  def _write(self, step: int) -> None:
    """Writes a checkpoint to resume from, and removes old ones."""
    folder = _progress_dir(self._output_dir)
    files.make_folder(folder)
    tensors = {name: x.read_value() for name, x in self._state.items()}
    tensors[_STATISTICS] = tf.constant(self._statistics.to_json())
    prefix = os.path.join(folder, f'ckpt-{step}')
    tensor_bundle.write(prefix, tensors)
    kept = [step, *self._spares(step)][:NUM_KEPT]
    for old, prefix in _checkpoints(self._output_dir, suffix='').items():
      if old not in kept:
        tensor_bundle.remove(prefix)
    temporary_files.remove_abandoned(folder, r'ckpt-\d+', is_alone=True)

  def _spares(self, step: int) -> list[int]:
    """Returns the earlier steps that are saved, the best spare first.

    A planned one is better than a newer one that the clock or a request
    brought: then the folder of a run does not depend on these. Checkpoints of
    later steps are damaged ones that `restore` skipped.
    """
    past = [x for x in _checkpoints(self._output_dir) if x < step]
    return sorted(past, key=lambda x: (self._is_planned(x), x), reverse=True)


def size_of(variable: tf.Variable) -> int:
  """Returns the bytes that a variable takes in a checkpoint."""
  return variable.shape.num_elements() * variable.dtype.size


def _named(
  variables: Mapping[str, tf.Variable], optimizer: AdamW
) -> dict[str, tf.Variable]:
  """Names every variable to restore: the model's and the optimizer's."""
  of_model = {id(variable) for variable in variables.values()}
  state = {f'model/{name}': x for name, x in variables.items()}
  for variable in optimizer.variables:
    if id(variable) not in of_model:
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
  """Raises a `UserError` that names missing, extra and different values."""
  found = {
    name: f'{np.asarray(x).dtype.name} {list(np.shape(x))}'
    for name, x in values.items()
  }
  expected = {
    name: f'{x.dtype.name} {x.shape.as_list()}' for name, x in state.items()
  }
  differences = [
    f'{name} is {found.get(name, "missing")}, expected '
    f'{expected.get(name, "none")}'
    for name in sorted(found.keys() | expected.keys())
    if found.get(name) != expected.get(name)
  ]
  if differences:
    named = few(differences, separator='; ')
    raise UserError(f'{prefix} does not belong to this run: {named}')
