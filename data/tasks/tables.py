"""Rows of TSV, CSV, JSONL and Parquet files, with their columns by name.

tsv      one row per line; no quoting, as in GLUE
csv      as in Python's csv module: a quoted field may hold commas and line ends
jsonl    one JSON object per line; its keys are the columns
parquet  columns of text, numbers or booleans; has rows, but no lines

Blank lines at the end of a file are ignored.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from data.text import parquet
from data.text.text_formats import Input
from system import json_text, streams, text_files
from system.errors import UserError, listed, shown

FORMATS = ('tsv', 'csv', 'jsonl', 'parquet')

_ENDING = re.compile(
  r'\.(?:(tsv|csv|jsonl?)(?:\.(?:gz|bz2|xz|zst))?|(parquet))$', re.IGNORECASE
)


def is_table(path: str) -> bool:
  """Returns whether a file's ending is that of a table; see `format_of`."""
  return bool(_ENDING.search(path))


def format_of(path: str) -> str:
  """Returns the format that a file's extension stands for.

  >>> format_of('a.tsv.gz'), format_of('b.JSON'), format_of('c.parquet')
  ('tsv', 'jsonl', 'parquet')

  Raises:
    UserError: it stands for none.
  """
  if not (match := _ENDING.search(path)):
    raise UserError(
      f'{path}: expected a table whose name ends with .tsv, .csv or .jsonl, '
      'optionally followed by .gz, or with .parquet'
    )
  ending = (match[1] or match[2]).lower()
  return 'jsonl' if ending == 'json' else ending


def place(path: str, file_format: str, number: int) -> str:
  """Names a row for messages: its file and its line, or Parquet's row."""
  return f'{path}, {"row" if file_format == "parquet" else "line"} {number}'


def column_names(path: str) -> Iterator[list[str]]:
  """Yields the columns of a table: of each row of JSONL, else once.

  Raises:
    UserError: as for `read_rows`, or a row has a wrong number of columns.
  """
  file_format = format_of(path)
  if file_format == 'parquet':
    yield parquet.column_names(Input(path))
    return
  for number, row in read_rows(path, file_format, ()):
    if isinstance(row, str):
      raise UserError(f'{path}, line {number}: {row}')
    yield list(row)
    if file_format != 'jsonl':
      return


def first_row(path: str, file_format: str) -> list[str]:
  """Returns the columns of the first line of a tsv or csv file; [] if empty.

  Raises:
    UserError: the file is not UTF-8, or the line is not valid CSV.
  """
  lines = text_files.read_lines(path)
  is_csv = file_format == 'csv'
  records = _csv_records(lines, path) if is_csv else _tsv_records(lines)
  return next(records, (0, []))[1]


def read_rows(
  path: str,
  file_format: str,
  required: Sequence[str],
  columns: Sequence[str] | None = None,
  has_header: bool = True,
  optional: Sequence[str] = (),
  allows_missing: bool = False,
  json_columns: Sequence[str] = (),
  ignorable: Sequence[str] = (),
) -> Iterator[tuple[int, dict[str, str] | str]]:
  """Yields a file's rows.

  Args:
    path: UTF-8 text, plain or compressed (see `system.streams`); or Parquet.
    file_format: one of `FORMATS`.
    required: columns that the file must have.
    columns: the names of all columns; None to read them from the header. Not
      for jsonl and parquet.
    has_header: whether the first line is a header; not for jsonl and parquet.
    optional: columns to read from Parquet if it has them; of the other formats
      all columns are read.
    allows_missing: whether a row of JSON or Parquet may lack a required column.
    json_columns: those of `required` and `optional` whose values may be lists
      and objects in jsonl, which become JSON text.
    ignorable: columns of `optional` to leave out where they hold other values
      than text, numbers and booleans.

  Yields:
    The line in which a row begins, or the number of Parquet's row, from 1; and
    the row, column → value. A row with a wrong number of columns is replaced by
    a message. Values are text. Numbers and booleans of JSON and Parquet are
    spelt as in JSON; their nulls are left out.

  Raises:
    UserError: the file is empty or not UTF-8, a column is missing or occurs
      twice, a row is not valid CSV or JSON, or a column that is read holds a
      list or an object; the message names the file and the line.
  """
  if file_format == 'parquet':
    rows = parquet.read_rows(Input(path), required, optional, ignorable)
    records = enumerate(rows, 1)
  elif file_format == 'jsonl':
    records = _json_records(text_files.read_lines(path), path)
    records = _without_lists(records, ignorable)
  else:
    lines = text_files.read_lines(path)
    return rows_in(lines, path, file_format, required, columns, has_header)
  scalars = [x for x in (*required, *optional) if x not in json_columns]
  required = () if allows_missing else required
  return _spelt(records, path, file_format, required, scalars)


def rows_in(
  lines: Iterable[str],
  path: str,
  file_format: str,
  required: Sequence[str],
  columns: Sequence[str] | None = None,
  has_header: bool = True,
  nulls_are_blank: bool = False,
) -> Iterator[tuple[int, dict[str, str] | str]]:
  """Yields the rows in the lines of a text file; see `read_rows`.

  `nulls_are_blank` turns the nulls of jsonl into ''.
  """
  if file_format == 'jsonl':
    records = _json_records(lines, path)
    if nulls_are_blank:
      records = (
        (number, {k: '' if v is None else v for k, v in values.items()})
        for number, values in records
      )
    return _spelt(records, path, file_format, required, required)
  lines = text_files.without_blank_end(lines)
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
      _check_columns(found, required, f'{path}, line 1')
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


def _check_columns(
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


def _json_records(
  lines: Iterable[str], path: str
) -> Iterator[tuple[int, dict[str, Any]]]:
  for number, line in enumerate(text_files.without_blank_end(lines), 1):
    yield number, json_text.parse_object(line, f'{path}, line {number}')


def _without_lists(
  records: Iterable[tuple[int, dict[str, Any]]], columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
  """Leaves out the lists and objects in some columns."""
  for number, values in records:
    for name in columns:
      if isinstance(values.get(name), (list, dict)):
        del values[name]
    yield number, values


def _spelt(
  records: Iterable[tuple[int, dict[str, Any]]],
  path: str,
  file_format: str,
  required: Sequence[str],
  scalars: Sequence[str],
) -> Iterator[tuple[int, dict[str, str]]]:
  """Yields records with their values as text.

  Raises:
    UserError: a column of `required` is missing, or one of `scalars` holds a
      list or an object.
  """
  for number, values in records:
    for name in scalars:
      if isinstance(value := values.get(name), (list, dict)):
        where = place(path, file_format, number)
        raise UserError(
          f'{where}: {shown(name)} is {shown(value)}, expected text, a number '
          'or a boolean'
        )
    row = {k: spelt(v) for k, v in values.items() if v is not None}
    for name in required:
      if name not in row:
        where = place(path, file_format, number)
        if name in values:
          raise UserError(f'{where}: {shown(name)} is null, expected a value')
        raise UserError(
          f'{where}: there is no {shown(name)}, found {listed(values)}'
        )
    yield number, row


def spelt(value: Any) -> str:
  """Returns text as it is, and other values as JSON spells them."""
  return value if isinstance(value, str) else json.dumps(value)
