"""Rows of TSV, CSV and JSONL files, with their columns by name.

tsv    one row per line; no quoting, as in GLUE
csv    as in Python's csv module: a quoted field may hold commas and line ends
jsonl  one JSON object per line; its keys are the columns
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from system import text_files
from system.errors import UserError

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
    UserError: the file is empty or not UTF-8, a column is missing, or a row is
      not valid CSV or JSON; the message names the file and the line.
  """
  lines = text_files.read_lines(path)
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
      _check_header(found, required, path)
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
  reader = csv.reader((line + '\n' for line in lines), strict=True)
  start = 1
  try:
    for fields in reader:
      yield start, fields
      start = reader.line_num + 1
  except csv.Error as error:
    raise UserError(
      f'{path}, line {start}: expected a CSV row with closed quotes, and '
      f'doubled quotes inside a quoted field; found an error: {error}'
    ) from error


def _header(records: Iterator[tuple[int, list[str]]], path: str) -> list[str]:
  _, header = next(records, (0, None))
  if header is None:
    raise UserError(f'{path} is empty: expected a header with column names')
  return header


def _check_header(
  columns: Sequence[str], required: Sequence[str], path: str
) -> None:
  for name in required:
    if name not in columns:
      found = ', '.join(map(repr, columns))
      raise UserError(
        f'{path}, line 1: expected a header with a column {name!r}, '
        f'found {found}'
      )


def _broken_row(fields: Sequence[str], columns: Sequence[str]) -> str:
  is_blank = not any(fields) and len(fields) < 2
  found = 'a blank line' if is_blank else f'{len(fields)} columns'
  names = ', '.join(columns)
  return f'found {found}, expected {len(columns)} columns ({names})'


def _json_rows(
  lines: Iterable[str], path: str, required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
  for number, line in enumerate(lines, 1):
    where = f'{path}, line {number}'
    try:
      values = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
      raise UserError(
        f'{where}: expected a JSON object, found {line[:40]!r}: {error}'
      ) from error
    if not isinstance(values, dict):
      raise UserError(f'{where}: expected a JSON object, found {line[:40]!r}')
    row = {k: _text(v) for k, v in values.items() if v is not None}
    for name in required:
      if name not in row:
        found = ', '.join(map(repr, row))
        raise UserError(f'{where}: there is no {name!r}, found {found}')
    yield number, row


def _text(value: Any) -> str:
  return value if isinstance(value, str) else json.dumps(value)
