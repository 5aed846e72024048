"""A task: its labels in order, its metrics and its splits.

An example's label id is the position of its label in `Task.labels`.

Tested by `tests/data/tasks/glue_test.py`.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from absl import logging

from data.tasks.examples import Example
from system.errors import UserError, listed, shown

# The label of test rows without a label in the `datasets` of Hugging Face.
_UNKNOWN_LABEL = '-1'


class MissingSplit(UserError):
  """The data is there, but not this split."""


class Split(Protocol):
  """A source of a split's examples."""

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""

  @property
  def text_columns(self) -> tuple[str, ...]:
    """Returns the columns of the texts: one, or two for pairs."""

  @property
  def id_column(self) -> str | None:
    """Returns the column of the ids if the user named one."""

  def locate(self, data_dir: str | None) -> str:
    """Returns the data's path or name, for messages.

    Raises:
      MissingSplit: the data has no such split.
      UserError: the data is missing or cannot be opened.
    """

  def declared_labels(self, data_dir: str | None) -> tuple[str, ...] | None:
    """Returns the labels in the data's own order; None if it has none."""

  def read(self, data_dir: str | None) -> Iterator[tuple[str, Example]]:
    """Yields the examples, each after its location, such as file and line."""


@dataclasses.dataclass(frozen=True)
class Task:
  """A task's labels, metrics and data.

  Attributes:
    name: the task's name in GLUE's spelling, and the name of its folder.
    labels: the labels in the order of the logits; empty for regression.
    metrics: names from training/metrics.py, the main metric first.
    splits: 'train', 'dev', 'test' → their data.
    is_symmetric: whether the two texts of a pair may change places.
    class_names: names of the classes that the data numbers → their labels.
    ignores_case: whether the data may spell labels in another case. The labels
      of a model may differ from the data's only in case.
  """

  name: str
  labels: tuple[str, ...]
  metrics: tuple[str, ...]
  splits: Mapping[str, Split] = dataclasses.field(hash=False)
  is_symmetric: bool = False
  class_names: Mapping[str, str] = dataclasses.field(
    default_factory=dict, hash=False
  )
  ignores_case: bool = False

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
    """Returns the number of logits C: one for each label, 1 for regression."""
    return len(self.labels) or 1

  @functools.cached_property
  def _ids(self) -> dict[str, int]:
    return {label: number for number, label in enumerate(self.labels)}

  @functools.cached_property
  def _labels_by_casefold(self) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for label in self.labels:
      found.setdefault(label.casefold(), []).append(label)
    return found

  def encode_label(self, label: str) -> int | float:
    """Returns a label's position in `labels`, or the number that it spells.

    Raises:
      UserError: the label is unknown or not a finite number.
    """
    if self.labels:
      if label not in self._ids:
        raise UserError(
          f'unknown label {shown(label)}; {self.name} has {listed(self.labels)}'
        )
      return self._ids[label]
    try:
      value = float(label)
    except ValueError:
      value = math.nan
    if not math.isfinite(value):
      raise UserError(
        f'label {shown(label)} is not a number; {self.name} needs one'
      )
    return value

  def held_out_splits(self) -> list[str]:
    """Returns the splits whose text must not occur in a training set."""
    return [split for split in self.splits if split != 'train']

  def has_split(self, data_dir: str | None, split: str) -> bool:
    """Returns whether a split's data exists.

    Raises:
      UserError: the folder or the data set is missing or cannot be opened; or
        there are several files that could be the split's.
    """
    try:
      self.locate(data_dir, split)
    except MissingSplit:
      return False
    return True

  def locate(self, data_dir: str | None, split: str) -> str:
    """Returns the path of a split's file, or the name of its data set.

    Raises:
      MissingSplit: the task or its data has no such split.
      UserError: the data is missing or cannot be opened.
    """
    if split not in self.splits:
      known = ', '.join(self.splits)
      raise MissingSplit(f'{self.name} has no split {split!r}; it has {known}')
    try:
      return self.splits[split].locate(data_dir)
    except UserError as error:
      kind = MissingSplit if isinstance(error, MissingSplit) else UserError
      raise kind(f'the {split} split of {self.name}: {error}') from error

  def read_split(self, data_dir: str | None, split: str) -> list[Example]:
    """Reads a split's examples in the data's order.

    Args:
      data_dir: the folder with the task's files, or its parent; or the folder
        of tensorflow-datasets, None for its default.
      split: 'train', 'dev' or 'test'. For MNLI, 'dev' and 'test' are the
        matched sets; it also has 'dev_mismatched' and 'test_mismatched'.

    Returns:
      One example per row. Labels are checked but not encoded, and spelt as in
      `labels`. In test the label '-1' is none, unless it is one of the task's
      or the task is a regression.

    Raises:
      UserError: the data is missing or malformed (see `FileSplit.read`), or
        `encode_label` rejects a label, or one label has two spellings; the
        message names the file and the line, from 1.
    """
    self.locate(data_dir, split)
    examples, spellings = [], {}
    for where, example in self.splits[split].read(data_dir):
      if split.startswith('test') and self._is_unknown(example.label):
        example = dataclasses.replace(example, label=None)
      if example.label is not None:
        try:
          example = self._respelt(example, spellings)
          self.encode_label(example.label)
        except UserError as error:
          raise UserError(f'{where}: {error}') from error
      examples.append(example)
    self._report(spellings)
    return examples

  def _respelt(self, example: Example, spellings: dict[str, str]) -> Example:
    """Returns an example with its label spelt as in `labels`.

    Args:
      example: with a label.
      spellings: label → its spelling in the data; takes the example's.

    Raises:
      UserError: an earlier example spells the same label differently.
    """
    if not self.ignores_case:
      return example
    found = example.label
    if found in self._ids:
      label = found
    else:
      same = self._labels_by_casefold.get(found.casefold(), ())
      label = same[0] if len(same) == 1 else found
    if (other := spellings.setdefault(label, found)) != found:
      raise UserError(
        f'found the label {shown(found)}, and {shown(other)} before: the model '
        f'has one label for both, {shown(label)}'
      )
    return dataclasses.replace(example, label=label)

  def _report(self, spellings: Mapping[str, str]) -> None:
    for label, spelling in spellings.items():
      if spelling != label:
        logging.info(
          'The label %s of the data is %s of the model.',
          shown(spelling),
          shown(label),
        )

  def _is_unknown(self, label: str | None) -> bool:
    return label == _UNKNOWN_LABEL and bool(
      self.labels and label not in self.labels
    )
