"""Examples of a task, and the columns of the data that they are made from.

Tested by `tests/data/tasks/glue_test.py` and `tables_test.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Protocol


class Texts(Protocol):
  """What holds a sentence, or a pair of texts: an example, a row of a dump."""

  text_a: str
  text_b: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
  """One sentence or pair of a task, with its text and label as in the data."""

  example_id: str  # The data's own id, or the row's number from 0.
  text_a: str
  text_b: str | None  # None for tasks with single sentences.
  label: str | None  # A word, or a number's text; None in test.


@dataclasses.dataclass(frozen=True)
class Fields:
  """The names of the columns that make an example.

  Attributes:
    text_a: the column of the sentence, or of a pair's first text.
    text_b: the column of a pair's second text; None for single sentences.
    label: the column of the label; None for a split without labels.
    index: the column of the id; a row without it gets its number as id. It is
      ignored where it holds a list or a date, unless it is needed.
    needs_index: whether a missing `index` is an error.
    has_optional_label: whether a row may lack its label, or leave it empty.
    renamed_labels: a label in the data → the task's label.
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
    """Returns the column of the text, or the columns of both."""
    return tuple(filter(None, (self.text_a, self.text_b)))

  def required(self) -> tuple[str, ...]:
    """Returns the columns that the data must have."""
    label = None if self.has_optional_label else self.label
    return (*self.texts(), *filter(None, (label, self.id_column())))

  def id_column(self) -> str | None:
    """Returns the column of the id if it is needed."""
    return self.index if self.needs_index else None

  def not_text(self) -> tuple[str, ...]:
    """Returns the columns of the label and the id, whether required or not."""
    return tuple(filter(None, (self.label, self.index)))

  def ignorable(self) -> tuple[str, ...]:
    """Returns the column of the id if nothing else needs it."""
    needed = (*self.required(), self.label)
    return () if self.index in (None, *needed) else (self.index,)

  def without_label(self) -> 'Fields':
    """Returns the columns of a split without labels."""
    return dataclasses.replace(self, label=None)

  def example(self, row: Mapping[str, str], number: int) -> Example:
    """Makes an example of a row.

    Args:
      row: column → value; holds at least the required columns.
      number: the row's number, from 0.
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
