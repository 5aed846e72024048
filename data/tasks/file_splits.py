"""Splits in files: each split's file, its layout and its rows.

Tested by `tests/data/tasks/glue_test.py` and `tables_test.py`.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping

from absl import logging

from data.tasks import tables
from data.tasks.examples import Example, Fields
from data.tasks.task import MissingSplit
from system import files, text_files
from system.errors import UserError

# The log lists this many broken rows; their number is logged, too. QQP's
# training file has a few dozen.
_MAX_LISTED_ROWS = 100


@dataclasses.dataclass(frozen=True)
class Selection:
  """The rows of a split in a file that several splits or languages share.

  Attributes:
    columns: the columns to compare with `values`, or with the rows of `file`.
    values: the values of these columns in the rows to take.
    file: a TSV file without header, in the shared file's folder; its first
      columns list the values instead.
    is_inverted: whether to take all other rows.
  """

  columns: tuple[str, ...]
  values: tuple[str, ...] = ()
  file: str | None = None
  is_inverted: bool = False

  def make_filter(self, path: str) -> Callable[[Mapping[str, str]], bool]:
    """Returns a function that decides whether to take a row.

    Args:
      path: the shared file.

    Raises:
      UserError: the file that lists the values is missing.
    """
    listed = {self.values}
    if self.file:
      list_path = os.path.join(os.path.dirname(path), self.file)
      files.require_file(list_path, f'the list that splits {path}')
      lines = text_files.read_lines(list_path)
      listed = {tuple(x.split('\t')[: len(self.columns)]) for x in lines}

    def is_selected(row: Mapping[str, str]) -> bool:
      is_listed = tuple(row[name] for name in self.columns) in listed
      return is_listed != self.is_inverted

    return is_selected

  def __str__(self) -> str:
    values = self.file or ', '.join(self.values)
    negation = 'not ' * self.is_inverted
    return f'whose {", ".join(self.columns)} is {negation}{values}'


@dataclasses.dataclass(frozen=True)
class Layout:
  """A file of a split, and its columns.

  Attributes:
    file: its path below the task's folder.
    fields: the columns of an example's fields.
    format: one of `tables.FORMATS`.
    columns: the names of all columns; None to read them from the header. More
      columns may follow.
    positions: column → its position, where google-research/bert finds it in
      files of any header; negative ones count from the end. They apply if a
      file's header lacks a column.
    has_header: whether the first line is a header.
    selection: the rows to take; None for all.
    skips_broken_rows: whether to skip, log and count rows with missing or
      excess columns; some official files have such rows.
  """

  file: str
  fields: Fields
  format: str = 'tsv'
  columns: tuple[str, ...] | None = None
  positions: Mapping[str, int] = dataclasses.field(
    default_factory=dict, hash=False
  )
  has_header: bool = True
  selection: Selection | None = None
  skips_broken_rows: bool = False


@dataclasses.dataclass(frozen=True)
class FileSplit:
  """A split in a file, in one of several layouts.

  Attributes:
    folder: the name of the task's folder, which is searched after `data_dir`
      itself.
    layouts: the possible layouts; the first one whose file exists applies.
    is_unique: whether it is an error if files of several layouts exist.
  """

  folder: str
  layouts: tuple[Layout, ...]
  is_unique: bool = False

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""
    return len(self.text_columns) > 1

  @property
  def text_columns(self) -> tuple[str, ...]:
    """Returns the columns of the texts in the first layout."""
    return self.layouts[0].fields.texts()

  @property
  def id_column(self) -> str | None:
    """Returns the column of the ids if there must be one."""
    return self.layouts[0].fields.id_column()

  def declared_labels(self, data_dir: str) -> None:
    """Returns None: files do not declare their labels."""

  def locate(self, data_dir: str) -> str:
    """Returns the path of the split's file.

    Raises:
      MissingSplit: the folder has no such file.
      UserError: there is no such folder, or there are several files.
    """
    return self._find(data_dir)[1]

  def read(self, data_dir: str) -> Iterator[tuple[str, Example]]:
    """Yields the examples in the file's order, each with its file and line.

    Raises:
      UserError: as for `tables.read_rows`; or a row has a wrong number of
        columns and the layout does not skip such rows; or UTF-8 cannot encode a
        text; or no row is left.
    """
    layout, path = self._find(data_dir)
    is_selected = layout.selection and layout.selection.make_filter(path)
    fields, broken, num_rows, num_taken = layout.fields, [], 0, 0
    rows = tables.read_rows(
      path,
      layout.format,
      fields.required(),
      _columns(layout, path),
      layout.has_header,
      fields.not_text(),
      ignorable=fields.ignorable(),
    )
    for line, row in rows:
      where = tables.place(path, layout.format, line)
      if isinstance(row, str):
        broken.append(f'{where}: {row}')
        if not layout.skips_broken_rows:
          raise UserError(broken[0])
      elif not is_selected or is_selected(row):
        num_taken += 1
        yield where, _encodable(fields.example(row, num_rows), where)
      num_rows += 1
    _report_broken(path, broken, num_rows)
    if not num_taken:
      selection = f' {layout.selection}' if layout.selection else ''
      message = f'{path} holds no example{selection}'
      raise UserError(broken[0] if broken else message)

  def _find(self, data_dir: str) -> tuple[Layout, str]:
    folders = (data_dir, os.path.join(data_dir, self.folder))
    found = [
      (layout, os.path.join(folder, layout.file))
      for folder in folders
      for layout in self.layouts
      if files.exists(os.path.join(folder, layout.file))
    ]
    if not found:
      if not files.is_folder(data_dir):
        raise UserError(f'there is no folder {data_dir!r} (`data_dir`)')
      first = os.path.join(data_dir, self.layouts[0].file)
      others = ', '.join(layout.file for layout in self.layouts[1:])
      raise MissingSplit(
        f'there is no file {first!r}' + (f', nor {others}' if others else '')
      )
    if self.is_unique and len(found) > 1:
      paths = ' and '.join(path for _, path in found)
      raise UserError(
        f'{paths} exist: keep one of them, or choose one with `file_format`'
      )
    layout, path = found[0]
    return layout, files.require_file(path, 'one example per row')


def _columns(layout: Layout, path: str) -> tuple[str, ...] | None:
  """Returns the names of a file's columns; None to take those of the header."""
  if not layout.columns and not layout.positions:
    return None
  if not (first := tables.first_row(path, layout.format)):
    return layout.columns
  if layout.columns:
    more = len(first) - len(layout.columns)
    if more > 0:
      logging.warning(
        '%s has %d columns; leaves out those after the first %d',
        *(path, len(first), len(layout.columns)),
      )
    return (*layout.columns, *[''] * more)
  # Those that the file is too narrow for are missing.
  places = [
    first.index(name) if name in first else place % len(first)
    for name, place in layout.positions.items()
    if place < len(first)
  ]
  has_header = {*layout.positions} <= {*first}
  if has_header or len({*places}) < len(layout.positions):
    return None
  names = [''] * len(first)
  for name, place in zip(layout.positions, places, strict=True):
    names[place] = name
  logging.warning(
    '%s: takes columns by their position, as google-research/bert does: %s',
    path,
    ', '.join(f'{first[p]!r} as {names[p]!r}' for p in places),
  )
  return tuple(names)


def _encodable(example: Example, where: str) -> Example:
  texts = (example.text_a, example.text_b, example.label, example.example_id)
  text_files.check_encodable(texts, where)
  return example


def _report_broken(path: str, broken: list[str], num_rows: int) -> None:
  """Logs the skipped rows and their number."""
  for message in broken[:_MAX_LISTED_ROWS]:
    logging.warning('skipped a broken row: %s', message)
  if broken:
    logging.warning(
      '%s: skipped %d broken rows of %d', path, len(broken), num_rows
    )
