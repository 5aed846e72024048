"""Reader of the text column of a Parquet file."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from data.text.corpus_options import CorpusOptions
from data.text.document import DocumentMaker
from data.text.text_formats import Documents, Input
from system import file_systems
from system.errors import UserError, listed, shown

if TYPE_CHECKING:
  from pyarrow.parquet import ParquetFile

# Rows converted to Python objects at a time; the text of a book takes MBs.
_BATCH_ROWS = 64
_TEXT_TYPES = (
  *['string', 'large_string', 'string_view', 'binary', 'large_binary'],
)


def read_parquet(source: Input, options: CorpusOptions) -> Documents:
  """Reads one document a row; a null is a document without text.

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
    except (pyarrow.ArrowException, OSError) as error:
      raise UserError(
        f'{source.path} is not a Parquet file, or is damaged: {error}'
      ) from error


def _check_column(
  table: 'ParquetFile', column: str, path: str, setting: str
) -> None:
  """Raises a `UserError` if a file has no such column of text."""
  from pyarrow import types

  columns = table.schema_arrow
  if (count := columns.names.count(column)) != 1:
    raise UserError(
      f'{path} has {"several columns" if count else "no column"} '
      f'{shown(column)} (`{setting}`); its columns are {listed(columns.names)}'
    )
  kind = columns.field(column).type
  is_dictionary = types.is_dictionary(kind)
  if str(kind.value_type if is_dictionary else kind) not in _TEXT_TYPES:
    raise UserError(
      f'{path}: the column {column!r} has type {kind}, expected text'
    )
