"""What a run that was stopped goes on from.

checkpoints/ckpt-<step> holds the weights, the optimizer's slots and the step;
`model.ckpt-<step>`, which others load, is written after it.
"""

import os
import re
from collections.abc import Callable, Mapping

import tensorflow as tf
from absl import logging

from data import files
from data.errors import UserError, reason_of
from modeling import checkpoint_files, restart, workers
from modeling.optimization import AdamW

_SAVED = re.compile(r'ckpt-(\d+)\.index$')


def has_progress(output_dir: str) -> bool:
  """Whether `output_dir` holds a checkpoint to go on from."""
  return bool(_saved(output_dir))


def _progress_dir(output_dir: str) -> str:
  return os.path.join(output_dir, 'checkpoints')


def _saved(output_dir: str) -> list[str]:
  """Returns the prefixes of what a run can go on from, the newest first.

  The files tell, not the `checkpoint` file beside them, which may be damaged.
  """
  folder = _progress_dir(output_dir)
  if not files.is_folder(folder):
    return []
  matches = map(_SAVED.match, files.list_folder(folder))
  steps = sorted((int(match[1]) for match in matches if match), reverse=True)
  return [os.path.join(folder, f'ckpt-{step}') for step in steps]


class Checkpointer:
  """Saves what a run needs to go on, and what others can load.

  Of several workers each restores, and the chief saves. What is saved is the
  same on all of them, and reading it needs no other worker.
  """

  def __init__(
    self,
    output_dir: str,
    variables: Mapping[str, tf.Variable],
    optimizer: AdamW,
    export: Callable[[int], str],
  ):
    """Makes a checkpointer.

    Args:
      output_dir: the run's folder.
      variables: the model's, by their released names.
      optimizer: whose slots and step are saved beside them.
      export: writes `model.ckpt-<step>` and what belongs to it.
    """
    self._output_dir = output_dir
    self._variables = variables
    self._optimizer = optimizer
    self._export = export
    state = tf.train.Checkpoint(
      model=tf.train.Checkpoint(
        **{name.replace('/', '.'): v for name, v in variables.items()}
      ),
      optimizer=optimizer,
    )
    # Made by the first look at it, and a variable is made by all workers.
    _ = state.save_counter
    self._manager = tf.train.CheckpointManager(
      state, _progress_dir(output_dir), max_to_keep=2
    )

  @property
  def can_restore(self) -> bool:
    """Whether there is a checkpoint to go on from."""
    return has_progress(self._output_dir)

  def restore(self) -> int:
    """Restores the newest whole checkpoint and returns its step.

    Raises:
      UserError: none can be read.
    """
    for prefix in _saved(self._output_dir):
      try:
        self._manager.checkpoint.restore(prefix).assert_consumed()
        break
      # Its reader raises IndexError where a data file is cut short.
      except (tf.errors.OpError, IndexError, RuntimeError) as error:
        logging.warning(
          '%s is damaged and is skipped: %s', prefix, reason_of(error)
        )
    else:
      raise UserError(
        f'no checkpoint in {_progress_dir(self._output_dir)} can be read. '
        'Remove that folder to start this run again from its beginning.'
      )
    step = int(self._optimizer.step.numpy())
    # A run may have been killed while it wrote what belongs to one step.
    if workers.is_chief() and not self._is_exported(step):
      self._export(step)
    return step

  def _is_exported(self, step: int) -> bool:
    """Whether the export of a step was completed: `checkpoint` comes last."""
    try:
      latest = checkpoint_files.resolve(self._output_dir)
    except UserError:
      return False
    return os.path.basename(latest) == f'model.ckpt-{step}'

  def save(self, step: int) -> None:
    """Saves both checkpoints of one step.

    Raises:
      UserError: a weight is not finite; nothing is written.
    """
    for name, variable in self._variables.items():
      if not tf.reduce_all(tf.math.is_finite(variable)):
        raise UserError(
          f'{name} is not finite any more at step {step}; the last checkpoint '
          'is kept. Is --learning_rate too high?'
        )
    if workers.is_chief():
      self._manager.save(checkpoint_number=step)
      self._export(step)
    restart.progressed()
