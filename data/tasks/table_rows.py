"""Reads a user's table of examples; leaves out rows without a text or label.

Does not import TensorFlow.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from absl import logging

from data.tasks import label_order, tables
from data.tasks.examples import Example
from system import files, text_files
from system.errors import UserError, listed, shown

# The column of the text if the user names none: the first that exists.
_TEXT_COLUMNS = ('sentence', 'text')
# Messages name the places of this many rows.
_NUM_PLACES = 5


@dataclasses.dataclass(frozen=True)
class Columns:
  """The names of a table's columns.

  Attributes:
    text: of the text, or of the first text of a pair; None for 'sentence' or
      else 'text'.
    pair: of the second text of a pair; None for single sentences.
    label: of the label.
  """

  text: str | None = None
  pair: str | None = None
  label: str = 'label'

  def texts(self) -> tuple[str, ...]:
    """Returns the columns of the texts."""
    return tuple(filter(None, (self.text, self.pair)))

  def found_in(self, path: str) -> 'Columns':
    """Returns the columns with the name of the text's column in a table.

    Raises:
      UserError: no column is named, and none has a name that is expected.
    """
    if self.text:
      return self
    files.require_file(path, 'the table')
    names = _names_in(path)
    found = [name for name in _TEXT_COLUMNS if name in names]
    if not found:
      columns = f'the columns {listed(names)}' if names else 'no row with one'
      raise UserError(
        f'{path}: expected a column {" or ".join(map(shown, _TEXT_COLUMNS))}, '
        f'found {columns}. {_advice(names)}'
      )
    return dataclasses.replace(self, text=found[0])


def _advice(names: Sequence[str]) -> str:
  if len(names) == 1 and ';' in names[0]:
    return (
      'Semicolons separate the columns: save the table with commas (.csv) or '
      'with tabs (.tsv).'
    )
  return 'Name the column of the texts with `text_column`.'


def _names_in(path: str) -> list[str]:
  """Returns a table's columns.

  Those of JSONL are the first row's that has a text in one of `_TEXT_COLUMNS`;
  if none has one, those of the first row.
  """
  first: list[str] = []
  for names in tables.column_names(path):
    first = first or names
    if not set(names).isdisjoint(_TEXT_COLUMNS):
      return names
  return first


@dataclasses.dataclass(frozen=True)
class TableRows:
  """The examples of a table.

  Attributes:
    path: the file.
    examples: an example's id is the number of the line in which it begins, or
      of Parquet's row, from 1.
    left_out: what a row lacks → the places of those rows.
  """

  path: str
  examples: list[Example]
  left_out: Mapping[str, list[str]]

  def report(self) -> None:
    """Warns of the rows that were left out."""
    num_rows = len(self.examples) + sum(map(len, self.left_out.values()))
    for what, places in self.left_out.items():
      logging.warning(
        '%s: left out %s of %s rows without %s: %s%s',
        self.path,
        f'{len(places):,}',
        f'{num_rows:,}',
        what,
        ', '.join(places[:_NUM_PLACES]),
        ', ...' * (len(places) > _NUM_PLACES),
      )


def place(path: str, example: Example) -> str:
  """Names an example's file, and its line or row, for messages."""
  return tables.place(path, tables.format_of(path), int(example.example_id))


def read(
  path: str,
  columns: Columns,
  is_regression: bool = False,
  needs_label: bool = True,
) -> TableRows:
  """Reads a table; leaves out rows with a blank or missing text or label.

  Args:
    path: see `tables.format_of`.
    columns: their names.
    is_regression: whether labels are numbers.
    needs_label: whether a row needs a label. If not, the column may be missing.

  Raises:
    UserError: the table or a column is missing, a row is malformed, a label is
      not a finite number or not one line, or no row is left; the message names
      the file and the line.
  """
  files.require_file(path, 'the table')
  table_format, columns = tables.format_of(path), columns.found_in(path)
  texts, label = columns.texts(), columns.label
  required = (*texts, label) if needs_label else texts
  rows = tables.read_rows(
    path, table_format, required, optional=(label,), allows_missing=True
  )
  examples: list[Example] = []
  left_out: dict[str, list[str]] = {}
  for number, row in rows:
    where = tables.place(path, table_format, number)
    if isinstance(row, str):
      raise UserError(f'{where}: {row}')
    if lacking := _lacking(row, required, label):
      left_out.setdefault(lacking, []).append(where.rpartition(', ')[2])
      continue
    value = row.get(label, '')
    example = Example(
      str(number),
      row[texts[0]],
      row[texts[1]] if len(texts) > 1 else None,
      value if value.strip() else None,
    )
    _check(example, where, is_regression)
    examples.append(example)
  if not examples:
    raise _no_row(path, required, left_out)
  return TableRows(path, examples, left_out)


def _lacking(
  row: Mapping[str, str], required: Sequence[str], label: str
) -> str:
  """Returns what a row lacks, for messages; '' if it is complete."""
  for name in required:
    if not row.get(name, '').strip():
      kind = 'label' if name == label else 'text'
      return f'a {kind} in {shown(name)}'
  return ''


def _check(example: Example, where: str, is_regression: bool) -> None:
  label = example.label
  text_files.check_encodable((example.text_a, example.text_b, label), where)
  if label is None:
    return
  if not is_regression:
    if not label_order.is_line(label):
      raise UserError(
        f'{where}: found the label {shown(label)}, expected one line of text'
      )
    return
  try:
    is_number = math.isfinite(float(label))
  except ValueError:
    is_number = False
  if not is_number:
    raise UserError(
      f'{where}: found the label {shown(label)}, expected a finite number '
      '(`regression`)'
    )


def _no_row(
  path: str, required: Sequence[str], left_out: Mapping[str, list[str]]
) -> UserError:
  found = '; '.join(
    f'{len(places):,} rows lack {what}' for what, places in left_out.items()
  )
  return UserError(
    f'{path} holds no example: expected rows with {listed(required)}, found '
    f'{found or "no row"}'
  )
