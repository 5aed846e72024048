"""Records a TensorBoard profile of a few training steps.

Tested by `tests/training/train_loop_test.py`.
"""

import os

import tensorflow as tf
from absl import logging

from system import file_systems
from training.trainer import Trainer

# The first steps compile and fill buffers, which later steps do not.
_NUM_SKIPPED = 10
_NUM_RECORDED = 10


def profiled_steps(step: int, num_steps: int) -> range:
  """Returns the steps to record in a run that starts or resumes at `step`."""
  start = max(step, min(step + _NUM_SKIPPED, num_steps - _NUM_RECORDED))
  return range(start, min(start + _NUM_RECORDED, num_steps))


class Profile:
  """Trains and records some of the steps, without changing the run.

  Use it in a `with` statement, which writes an unfinished profile at its end.
  """

  def __init__(self, output_dir: str, steps: range, records: bool = True):
    """Chooses the steps.

    Args:
      output_dir: the run's folder; the profile goes to its `events`, where
        TensorBoard looks.
      steps: the steps to record; may be empty. All workers give the same, so
        that their loops on the devices end at the same steps.
      records: whether this worker records them.
    """
    self._folder = os.path.join(output_dir, 'events')
    self._steps = steps
    self._records = records
    self._is_recording = False

  def __enter__(self) -> 'Profile':
    return self

  def __exit__(self, *error) -> None:
    self._write()

  def train(self, trainer: Trainer, step: int, stop: int) -> None:
    """Trains from `step` to `stop`, or until the trainer ends its loop."""
    edges = (self._steps.start, self._steps.stop, stop)
    stop = min(edge for edge in edges if edge > step)
    if self._records and step in self._steps and not self._is_recording:
      with file_systems.explained('write', self._folder):
        tf.profiler.experimental.start(self._folder)
      self._is_recording = True
    trainer.train(tf.constant(stop - step))
    if int(trainer.optimizer.step.numpy()) >= self._steps.stop:
      self._write()

  def _write(self) -> None:
    if not self._is_recording:
      return
    self._is_recording = False
    with file_systems.explained('write', self._folder):
      tf.profiler.experimental.stop()
    logging.info(
      'Wrote a profile of the steps from %d on to %s/plugins/profile. To view '
      'it: pip install tensorboard-plugin-profile; tensorboard --logdir=%s',
      self._steps.start + 1,
      self._folder,
      self._folder,
    )
