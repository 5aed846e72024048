"""The texts that no student may see: those of dev and test."""

from collections.abc import Iterable

from absl import logging

from data.tasks.examples import Example
from data.tasks.task import Task
from data.tasks.text_key import text_key


class HeldOut:
  """Finds texts that are also held-out examples.

  Case and white space are ignored, so that GLUE's tokenised `it 's` matches
  running text. A pair is held out if both halves match, in the same order
  unless the task is symmetric.
  """

  def __init__(self, examples: Iterable[Example], is_symmetric: bool = False):
    """Takes the task's dev and test examples."""
    self._keys = {text_key(e.text_a, e.text_b) for e in examples}
    if is_symmetric:
      self._keys |= {(b, a) for a, b in self._keys if b is not None}

  def has(self, text_a: str, text_b: str | None = None) -> bool:
    """Returns whether a sentence or pair must be left out."""
    return text_key(text_a, text_b) in self._keys


def read(task: Task, data_dir: str | None) -> HeldOut:
  """Reads a task's dev and test splits; warns of one that does not exist.

  Args:
    task: the task.
    data_dir: the folder of its data.

  Raises:
    UserError: a split is malformed.
  """
  examples = []
  for split in task.held_out_splits():
    if task.has_split(data_dir, split):
      examples += task.read_split(data_dir, split)
    else:
      logging.warning('no %s split to keep out of the transfer set', split)
  return HeldOut(examples, task.is_symmetric)
