"""Reads the documents of a text file or a table, one after the other."""

from collections.abc import Iterator

from data.tasks import tables
from data.tasks.table_rows import Columns
from system import text_files
from system.errors import UserError


def read(path: str, text_column: str | None) -> Iterator[str]:
  """Yields the documents of a file: its lines, or a column of a table.

  Raises:
    UserError: the file is malformed, or no table but a column is given.
  """
  if text_column is None and not tables.is_table(path):
    yield from text_files.read_lines(path)
    return
  from data.tasks import text_rows

  name = text_column or Columns().found_in(path).text
  columns = text_rows.TextColumns((name,), are_given=True)
  is_table, rows = text_rows.open_file(path, columns)
  if not is_table:
    raise UserError(
      f'--text_column={text_column} cannot take effect: {path} is not a table'
    )
  yield from (row.texts[0] for row in rows)
