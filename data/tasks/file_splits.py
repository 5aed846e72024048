"""A task's splits in files: which file, in which layout, which of its rows."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping

from absl import logging

from data.tasks import tables
from data.tasks.examples import Example, Fields
from system import files, text_files
from system.errors import UserError

# A warning names this many broken rows and counts the rest. QQP's training
# file has a few dozen.
_MAX_NAMED_ROWS = 100


@dataclasses.dataclass(frozen=True)
class Selection:
  """Which rows of a file that several splits or languages share are taken.

  Attributes:
    columns: what tells the rows apart.
    values: of these columns, in the rows that are taken.
    file: lists the values instead, in the first columns of a TSV file without a
      header beside the shared one.
    is_inverted: whether the other rows are taken.
  """

  columns: tuple[str, ...]
  values: tuple[str, ...] = ()
  file: str | None = None
  is_inverted: bool = False

  def make_filter(self, path: str) -> Callable[[Mapping[str, str]], bool]:
    """Returns what says whether a row is taken.

    Raises:
      UserError: there is no file that lists the values.
    """
    listed = {self.values}
    if self.file:
      beside = os.path.join(os.path.dirname(path), self.file)
      files.require_file(beside, f'the list that splits {path}')
      lines = text_files.read_lines(beside)
      listed = {tuple(x.split('\t')[: len(self.columns)]) for x in lines}

    def takes(row: Mapping[str, str]) -> bool:
      is_listed = tuple(row[name] for name in self.columns) in listed
      return is_listed != self.is_inverted

    return takes

  def __str__(self) -> str:
    values = self.file or ', '.join(self.values)
    negation = 'not ' * self.is_inverted
    return f'whose {", ".join(self.columns)} is {negation}{values}'


@dataclasses.dataclass(frozen=True)
class Layout:
  """One file, and where an example's fields stand in it.

  Attributes:
    file: its name, below the task's folder.
    fields: the columns.
    format: one of `table_rows.FORMATS`.
    columns: the names of all columns, where the file does not say them.
    has_header: whether the first line is no example.
    selection: which rows are taken; None takes all.
    skips_broken_rows: whether the official file is known to have rows with
      missing or excess columns; they are skipped, named and counted.
  """

  file: str
  fields: Fields
  format: str = 'tsv'
  columns: tuple[str, ...] | None = None
  has_header: bool = True
  selection: Selection | None = None
  skips_broken_rows: bool = False


@dataclasses.dataclass(frozen=True)
class FileSplit:
  """A split in a file of one of several layouts.

  Attributes:
    folder: the task's folder in GLUE's, which is looked into second.
    layouts: the first whose file is there is taken.
    is_unique: whether the files of two layouts side by side are a mistake.
  """

  folder: str
  layouts: tuple[Layout, ...]
  is_unique: bool = False

  @property
  def is_pair(self) -> bool:
    """Returns whether an example has two texts."""
    return self.layouts[0].fields.text_b is not None

  def declared_labels(self, data_dir: str) -> None:
    """Returns None: files do not say which labels there are."""

  def place(self, data_dir: str) -> str:
    """Returns the split's file.

    Raises:
      UserError: there is none, or there are several.
    """
    return self._find(data_dir)[1]

  def read(self, data_dir: str) -> Iterator[tuple[str, Example]]:
    """Yields the examples in the file's order, each with its file and line.

    Raises:
      UserError: as `table_rows.read_rows`; a row has other columns than the
        header and is not to be skipped; no row is left.
    """
    layout, path = self._find(data_dir)
    takes = layout.selection and layout.selection.make_filter(path)
    fields, broken, num_rows, num_taken = layout.fields, [], 0, 0
    rows = tables.read_rows(
      path, layout.format, fields.required(), layout.columns, layout.has_header
    )
    for line, row in rows:
      if isinstance(row, str):
        broken.append(f'{path}, line {line}: {row}')
        if not layout.skips_broken_rows:
          raise UserError(broken[0])
      elif not takes or takes(row):
        num_taken += 1
        yield f'{path}, line {line}', fields.example(row, num_rows)
      num_rows += 1
    _report_broken(path, broken, num_rows)
    if not num_taken:
      of_selection = f' {layout.selection}' if layout.selection else ''
      none = f'{path} holds no example{of_selection}'
      raise UserError(broken[0] if broken else none)

  def _find(self, data_dir: str) -> tuple[Layout, str]:
    folders = (data_dir, os.path.join(data_dir, self.folder))
    found = [
      (layout, os.path.join(folder, layout.file))
      for folder in folders
      for layout in self.layouts
      if files.exists(os.path.join(folder, layout.file))
    ]
    if not found:
      first = os.path.join(data_dir, self.layouts[0].file)
      others = ', '.join(layout.file for layout in self.layouts[1:])
      raise UserError(
        f'there is no file {first!r}' + (f', nor {others}' if others else '')
      )
    if self.is_unique and len(found) > 1:
      both = ' and '.join(path for _, path in found)
      raise UserError(f'{both} are there: --file_format must say which to take')
    layout, path = found[0]
    return layout, files.require_file(path, 'an example a row')


def _report_broken(path: str, broken: list[str], num_rows: int) -> None:
  """Logs the rows that were skipped, each by name, and their number."""
  for message in broken[:_MAX_NAMED_ROWS]:
    logging.warning('skipped a broken row: %s', message)
  if broken:
    logging.warning(
      '%s: skipped %d broken rows of %d', path, len(broken), num_rows
    )
