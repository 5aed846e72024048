"""Rows of TSV, CSV and JSONL files, with their columns by name.

tsv    one row per line; no quoting, as in GLUE
csv    as in Python's csv module: a quoted field may hold commas and line ends
jsonl  one JSON object per line; its keys are the columns

Blank lines at the end of a file are ignored.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from system import json_text, streams, text_files
from system.errors import UserError, listed, shown

FORMATS = ('tsv', 'csv', 'jsonl')


def read_rows(
  path: str,
  file_format: str,
  required: Sequence[str],
  columns: Sequence[str] | None = None,
  has_header: bool = True,
) -> Iterator[tuple[int, dict[str, str] | str]]:
  """Yields a file's rows.

  Args:
    path: UTF-8 text, plain or compressed (see `system.streams`).
    file_format: one of `FORMATS`.
    required: columns that the file must have.
    columns: the names of all columns; None to read them from the header. Not
      for jsonl.
    has_header: whether the first line is a header; not for jsonl.

  Yields:
    The line in which a row begins, from 1, and the row, column → value. A row
    with a wrong number of columns is replaced by a message. Values are text.
    JSON's numbers and booleans are spelt as in JSON; its nulls are left out.

  Raises:
    UserError: the file is empty or not UTF-8, a column is missing or occurs
      twice, or a row is not valid CSV or JSON; the message names the file and
      the line.
  """
  lines = text_files.read_lines(path)
  return rows_in(lines, path, file_format, required, columns, has_header)


def rows_in(
  lines: Iterable[str],
  path: str,
  file_format: str,
  required: Sequence[str],
  columns: Sequence[str] | None = None,
  has_header: bool = True,
) -> Iterator[tuple[int, dict[str, str] | str]]:
  """Yields the rows in the lines of a file; see `read_rows`."""
  lines = text_files.without_blank_end(lines)
  if file_format == 'jsonl':
    return _json_rows(lines, path, required)
  if file_format == 'csv':
    records = _csv_records(lines, path)
  else:
    records = _tsv_records(lines)
  return _rows(records, path, required, columns, has_header)


def _rows(
  records: Iterator[tuple[int, list[str]]],
  path: str,
  required: Sequence[str],
  columns: Sequence[str] | None,
  has_header: bool,
) -> Iterator[tuple[int, dict[str, str] | str]]:
  if has_header:
    found = _header(records, path)
    if columns is None:
      columns = found
      check_columns(found, required, f'{path}, line 1')
  for line, fields in records:
    if len(fields) == len(columns):
      yield line, dict(zip(columns, fields, strict=True))
    else:
      yield line, _broken_row(fields, columns)


def _tsv_records(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
  for number, line in enumerate(lines, 1):
    yield number, line.split('\t')


def _csv_records(
  lines: Iterable[str], path: str
) -> Iterator[tuple[int, list[str]]]:
  # The limit is one of the whole process; the default is 128 KiB.
  csv.field_size_limit(streams.MAX_LINE_BYTES)
  reader = csv.reader((line + '\n' for line in lines), strict=True)
  start = 1
  try:
    for fields in reader:
      yield start, fields
      start = reader.line_num + 1
  except csv.Error as error:
    raise UserError(
      f'{path}, line {start}: expected a CSV row with closed quotes, and '
      'doubled quotes inside a quoted field; found an error: '
      f'{_csv_reason(error)}'
    ) from error


def _csv_reason(error: csv.Error) -> str:
  if 'field limit' in str(error):
    limit = csv.field_size_limit() >> 20
    return f'a field of more than {limit} MiB, or a quote that is never closed'
  if 'new-line' in str(error):
    return 'a carriage return without a line feed, outside of quotes'
  return str(error)


def _header(records: Iterator[tuple[int, list[str]]], path: str) -> list[str]:
  _, header = next(records, (0, None))
  if header is None:
    raise UserError(f'{path} is empty: expected a header with column names')
  return header


def check_columns(
  columns: Sequence[str], required: Sequence[str], where: str
) -> None:
  """Checks the names of a table's columns.

  Args:
    columns: the names. Columns without a name may be several.
    required: columns that the table must have.
    where: the file and the line, for messages.

  Raises:
    UserError: a required column is missing, or two columns have one name.
  """
  for name in required:
    if name not in columns:
      raise UserError(
        f'{where}: expected a header with a column {shown(name)}, found '
        f'{listed(columns)}'
      )
  for name in dict.fromkeys([*required, *filter(None, columns)]):
    if columns.count(name) > 1:
      raise UserError(
        f'{where}: expected columns of different names, found '
        f'{columns.count(name)} columns {shown(name)}'
      )


def _broken_row(fields: Sequence[str], columns: Sequence[str]) -> str:
  is_blank = not any(fields) and len(fields) < 2
  found = 'a blank line' if is_blank else f'{len(fields)} columns'
  return f'found {found}, expected {len(columns)} columns ({listed(columns)})'


def _json_rows(
  lines: Iterable[str], path: str, required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
  for number, line in enumerate(lines, 1):
    where = f'{path}, line {number}'
    values = json_text.parse_object(line, where)
    row = {k: _text(v) for k, v in values.items() if v is not None}
    for name in required:
      if name not in row:
        raise UserError(
          f'{where}: there is no {shown(name)}, found {listed(row)}'
        )
    yield number, row


def _text(value: Any) -> str:
  return value if isinstance(value, str) else json.dumps(value)
