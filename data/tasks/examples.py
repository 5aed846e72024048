"""Examples of a task, and which columns of a row make one."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
  """One sentence or pair of a task, as it stands in the data."""

  example_id: str  # The data's own index, or the row's number from 0.
  text_a: str
  text_b: str | None  # None where the task has single sentences.
  label: str | None  # As in the data, a number's text too; None in test.


@dataclasses.dataclass(frozen=True)
class Fields:
  """The names of the columns that make an example.

  Attributes:
    text_a: the sentence, or the first of a pair.
    text_b: the second of a pair.
    label: None where a split has no labels.
    index: the example's id; where a row has no such column, its number is.
    needs_index: whether a missing `index` is a mistake.
    has_optional_label: whether a row may lack its label, or leave it empty.
    renamed_labels: a label in the data → the task's word for it.
  """

  text_a: str = 'sentence'
  text_b: str | None = None
  label: str | None = 'label'
  index: str = 'index'
  needs_index: bool = False
  has_optional_label: bool = False
  renamed_labels: Mapping[str, str] = dataclasses.field(
    default_factory=dict, hash=False
  )

  def texts(self) -> tuple[str, ...]:
    """Returns the columns of the one text, or of both."""
    return tuple(filter(None, (self.text_a, self.text_b)))

  def required(self) -> tuple[str, ...]:
    """Returns the columns that must be there."""
    label = None if self.has_optional_label else self.label
    index = self.index if self.needs_index else None
    return (*self.texts(), *filter(None, (label, index)))

  def wanted(self) -> tuple[str, ...]:
    """Returns the columns that are read where they are there."""
    return (*self.texts(), *filter(None, (self.label, self.index)))

  def without_label(self) -> 'Fields':
    """Returns the same of a split that has no labels."""
    return dataclasses.replace(self, label=None)

  def example(self, row: Mapping[str, str], number: int) -> Example:
    """Makes an example of a row.

    Args:
      row: the values of the required columns at least.
      number: of the row, from 0.
    """
    label = row.get(self.label) if self.label else None
    if not label and self.has_optional_label:
      label = None
    return Example(
      example_id=row.get(self.index, str(number)),
      text_a=row[self.text_a],
      text_b=row[self.text_b] if self.text_b else None,
      label=self.renamed_labels.get(label, label),
    )
