"""A TensorBoard profile of a few training steps."""

import os

import tensorflow as tf
from absl import logging

from system import file_systems
from training.train_step import Trainer

# A run's first steps compile and fill buffers.
_SKIPPED = 10
_RECORDED = 10


def profiled_steps(step: int, num_steps: int) -> range:
  """Returns which steps to record of a run that goes on at `step`."""
  start = max(step, min(step + _SKIPPED, num_steps - _RECORDED))
  return range(start, min(start + _RECORDED, num_steps))


class Profile:
  """Trains, recording some of the steps; that changes nothing of the run.

  Used in a `with` statement, at whose end it is written if it is not yet.
  """

  def __init__(self, output_dir: str, steps: range):
    """Plans it.

    Args:
      output_dir: the run's; the profile joins what TensorBoard finds there.
      steps: which to record; may be none.
    """
    self._folder = os.path.join(output_dir, 'events')
    self._steps = steps
    self._is_recording = False

  def __enter__(self) -> 'Profile':
    return self

  def __exit__(self, *error) -> None:
    self._write()

  def train(self, trainer: Trainer, step: int, stop: int) -> None:
    """Trains from `step` to `stop`, or until the run is asked to stop."""
    for end in (self._steps.start, self._steps.stop, stop):
      end = min(end, stop)
      if end <= step or trainer.was_stopped:
        continue
      if step in self._steps and not self._is_recording:
        with file_systems.explained('write', self._folder):
          tf.profiler.experimental.start(self._folder)
        self._is_recording = True
      trainer.train(tf.constant(end - step))
      step = end
      if step == self._steps.stop:
        self._write()

  def _write(self) -> None:
    if not self._is_recording:
      return
    self._is_recording = False
    with file_systems.explained('write', self._folder):
      tf.profiler.experimental.stop()
    logging.info(
      'Wrote a profile of the steps from %d on to %s/plugins/profile. To see '
      'it: pip install tensorboard-plugin-profile; tensorboard --logdir=%s',
      self._steps.start + 1,
      self._folder,
      self._folder,
    )
