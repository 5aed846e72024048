"""Readers of Parquet files: the text column of a corpus, and tables."""

import contextlib
import decimal
import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from data.text.corpus_options import CorpusOptions
from data.text.document import DocumentMaker
from data.text.text_formats import Documents, Input
from system import file_systems
from system.errors import UserError, listed, shown

if TYPE_CHECKING:
  from pyarrow import DataType
  from pyarrow.parquet import ParquetFile

# Rows converted to Python objects at a time; the text of a book takes MBs.
_BATCH_ROWS = 64
_TABLE_BATCH_ROWS = 1024
_TEXT_TYPES = (
  'string',
  'large_string',
  'string_view',
  'binary',
  'large_binary',
)


def read_parquet(source: Input, options: CorpusOptions) -> Documents:
  """Reads one document per row; a null is a document without text.

  Raises:
    UserError: the file is damaged or cannot be read, or it has no text column
      of this name; the message lists the columns.
  """
  maker = DocumentMaker(
    options.min_document_characters, 'record', counts_lines=False
  )
  rows = read_columns(source, [options.text_field], 'text_field')
  for number, (text,) in enumerate(rows, 1):
    text = (text or b'').decode('utf-8', 'surrogateescape')
    yield from maker.whole(text, number)


def read_columns(
  source: Input, columns: Sequence[str], setting: str
) -> Iterator[tuple[bytes | None, ...]]:
  """Yields the rows of some text columns, UTF-8 if the file is valid.

  Args:
    source: the file.
    columns: the names of the columns.
    setting: the setting that names them, for messages.

  Raises:
    UserError: as `read_parquet`.
  """
  # pyarrow is slow to import, and other formats do not need it.
  import pyarrow

  with _opened(source) as (table, size):
    for column in columns:
      _check_column(table, column, source.path, setting)
    num_rows = 0
    for batch in table.iter_batches(_BATCH_ROWS, columns=list(columns)):
      values = (
        batch.column(column).cast(pyarrow.large_binary()).to_pylist()
        for column in columns
      )
      yield from zip(*values, strict=True)
      num_rows += len(batch)
      if source.on_progress:
        source.on_progress(size * num_rows // table.metadata.num_rows)


def read_rows(
  source: Input,
  required: Sequence[str],
  optional: Sequence[str] = (),
  ignorable: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
  """Yields rows of text, numbers and booleans, column → value.

  Nulls and NaN are left out. Decimal numbers become text, with all digits.

  Args:
    source: the file.
    required: columns that the file must have.
    optional: columns to read if the file has them.
    ignorable: columns of `optional` to leave out if they have values of another
      kind.

  Raises:
    UserError: the file is damaged or cannot be read, a required column is
      missing, or a column occurs twice or has values of another kind; the
      message lists the columns. Or a text is not UTF-8; the message names the
      row.
  """
  with _opened(source) as (table, _):
    found = table.schema_arrow.names
    present = (name for name in optional if name in found)
    columns = [
      column
      for column in dict.fromkeys([*required, *present])
      if _check_scalar(table, column, source.path, column in ignorable)
    ]
    number = 1
    for batch in table.iter_batches(_TABLE_BATCH_ROWS, columns=columns):
      values = [_scalars(batch.column(column)) for column in columns]
      for row in zip(*values, strict=True):
        yield _present(columns, row, f'{source.path}, row {number}')
        number += 1


def column_names(source: Input) -> list[str]:
  """Returns the names of all columns of a file.

  Raises:
    UserError: the file is damaged or cannot be read.
  """
  with _opened(source) as (table, _):
    return list(table.schema_arrow.names)


def _scalars(column: Any) -> list[Any]:
  """Returns a column's values; texts as bytes, which may not be UTF-8."""
  import pyarrow

  if _is_text(column.type):
    return column.cast(pyarrow.large_binary()).to_pylist()
  return column.to_pylist()


def _present(
  columns: Sequence[str], row: Sequence[Any], where: str
) -> dict[str, Any]:
  present = {}
  for column, value in zip(columns, row, strict=True):
    if isinstance(value, bytes):
      try:
        value = value.decode()
      except UnicodeDecodeError as error:
        raise UserError(
          f'{where}: expected UTF-8 text in {column!r}: {error}'
        ) from error
    if isinstance(value, decimal.Decimal):
      value = str(value)
    if value is not None and not (
      isinstance(value, float) and math.isnan(value)
    ):
      present[column] = value
  return present


@contextlib.contextmanager
def _opened(source: Input) -> Iterator[tuple['ParquetFile', int]]:
  """Opens a file; returns it and its size in bytes.

  Raises:
    UserError: the file is damaged or cannot be read, also within the block.
  """
  import pyarrow
  from pyarrow import parquet

  with file_systems.explained('read', source.path):
    file = source.open_file(source.path)
  with contextlib.closing(file):
    try:
      size = file.seek(0, os.SEEK_END)
      # Reads page by page instead of a whole row group at once.
      table = parquet.ParquetFile(
        file,
        pre_buffer=False,
        buffer_size=1 << 20,
        page_checksum_verification=True,  # If the file has checksums.
      )
      yield table, size
    except (pyarrow.ArrowException, OSError) as error:
      raise UserError(
        f'{source.path} is not a Parquet file, or is damaged: {error}'
      ) from error


def _check_column(
  table: 'ParquetFile', column: str, path: str, setting: str
) -> None:
  """Raises a `UserError` if a file has no such column of text."""
  _check_name(table, column, path, f' (`{setting}`)')
  kind = table.schema_arrow.field(column).type
  if not _is_text(kind):
    raise UserError(
      f'{path}: the column {column!r} has type {kind}, expected text'
    )


def _check_scalar(
  table: 'ParquetFile', column: str, path: str, is_ignorable: bool
) -> bool:
  """Returns whether a column has scalar values.

  Raises:
    UserError: it has not, and is not ignorable; or there is no such column, or
      several.
  """
  from pyarrow import types

  _check_name(table, column, path)
  kind = table.schema_arrow.field(column).type
  value = kind.value_type if types.is_dictionary(kind) else kind
  is_scalar = (
    _is_text(kind)
    or types.is_integer(value)
    or types.is_floating(value)
    or types.is_decimal(value)
    or types.is_boolean(value)
    or types.is_null(value)
  )
  if not is_scalar and not is_ignorable:
    raise UserError(
      f'{path}: the column {column!r} has type {kind}, expected text, numbers '
      'or booleans'
    )
  return is_scalar


def _check_name(
  table: 'ParquetFile', column: str, path: str, origin: str = ''
) -> None:
  names = table.schema_arrow.names
  if (count := names.count(column)) != 1:
    raise UserError(
      f'{path} has {"several columns" if count else "no column"} '
      f'{shown(column)}{origin}; its columns are {listed(names)}'
    )


def _is_text(kind: 'DataType') -> bool:
  from pyarrow import types

  value = kind.value_type if types.is_dictionary(kind) else kind
  return str(value) in _TEXT_TYPES
