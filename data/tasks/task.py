"""What a task is: its labels in order, its scores, and where its data is.

An example's label id is its place in `Task.labels`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from data.tasks.examples import Example
from system.errors import UserError


class Split(Protocol):
  """Where a split's examples come from."""

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""

  def place(self, data_dir: str | None) -> str:
    """Returns what a user calls it; a `UserError` where it is not there."""

  def declared_labels(self, data_dir: str | None) -> tuple[str, ...] | None:
    """Returns the labels in the data's own order, where it has one."""

  def read(self, data_dir: str | None) -> Iterator[tuple[str, Example]]:
    """Yields the examples, each with where it stands."""


@dataclasses.dataclass(frozen=True)
class Task:
  """A task: its splits, its labels in order, its scores."""

  name: str  # GLUE's spelling, which is also its folder's name.
  labels: tuple[str, ...]  # Empty for regression.
  # Names from training/metrics.py, the main one first.
  metrics: tuple[str, ...]
  splits: Mapping[str, Split] = dataclasses.field(hash=False)

  @property
  def is_regression(self) -> bool:
    """Returns whether labels are numbers."""
    return not self.labels

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""
    return any(split.is_pair for split in self.splits.values())

  @property
  def num_outputs(self) -> int:
    """Returns the number of logits: of labels, or 1 for regression."""
    return len(self.labels) or 1

  def encode_label(self, label: str) -> int | float:
    """Returns a label's place in `labels`, or the number it spells.

    Raises:
      UserError: the label is unknown, or not a finite number; says which labels
        are known.
    """
    if self.labels:
      if label not in self.labels:
        known = ', '.join(map(repr, self.labels))
        raise UserError(f'unknown label {label!r}; {self.name} has {known}')
      return self.labels.index(label)
    try:
      value = float(label)
    except ValueError:
      value = math.nan
    if not math.isfinite(value):
      raise UserError(f'label {label!r} is not a number; {self.name} needs one')
    return value

  def held_out_splits(self) -> list[str]:
    """Returns the splits whose text no model may be trained on."""
    return [split for split in self.splits if split != 'train']

  def has_split(self, data_dir: str | None, split: str) -> bool:
    """Returns whether a split's data is there."""
    try:
      self.place(data_dir, split)
    except UserError:
      return False
    return True

  def place(self, data_dir: str | None, split: str) -> str:
    """Returns where a split's examples are: a file, in most cases.

    Raises:
      UserError: the task has no such split, or its data is not there.
    """
    if split not in self.splits:
      known = ', '.join(self.splits)
      raise UserError(f'{self.name} has no split {split!r}; it has {known}')
    try:
      return self.splits[split].place(data_dir)
    except UserError as error:
      raise UserError(f'the {split} split of {self.name}: {error}') from error

  def read_split(self, data_dir: str | None, split: str) -> list[Example]:
    """Reads a split's examples in their order.

    Args:
      data_dir: the folder with the task's files, or GLUE's with the task's
        folder in it; that of tensorflow-datasets where the task is read from
        there, None for its default.
      split: 'train', 'dev' or 'test'; MNLI's are the matched ones, and it has
        'dev_mismatched' and 'test_mismatched' too.

    Returns:
      One example a row. Labels are checked, not encoded.

    Raises:
      UserError: the data is missing or malformed, see `FileSplit.read`, or has
        a label that `encode_label` refuses. File and line (from 1) are named.
    """
    self.place(data_dir, split)
    examples = []
    for where, example in self.splits[split].read(data_dir):
      if example.label is not None:
        try:
          self.encode_label(example.label)
        except UserError as error:
          raise UserError(f'{where}: {error}') from error
      examples.append(example)
    return examples
