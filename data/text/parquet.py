"""Reads the text column of a Parquet file."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from data.text.corpus_options import CorpusOptions
from data.text.document import DocumentMaker
from data.text.text_formats import Documents, Input
from system import files
from system.errors import UserError

if TYPE_CHECKING:
  from pyarrow.parquet import ParquetFile

# Rows that are held as Python's own values; of books they may have MBs each.
_ROWS = 64
_TEXT_TYPES = (
  *['string', 'large_string', 'string_view', 'binary', 'large_binary'],
)


def read_parquet(source: Input, options: CorpusOptions) -> Documents:
  """Reads a document a row; null is a document without text.

  Raises:
    UserError: the file cannot be read or is damaged, or has no such column of
      text; it is named, and the columns that there are.
  """
  maker = DocumentMaker(
    options.min_document_characters, 'record', counts_lines=False
  )
  for number, text in enumerate(_texts(source, options.text_field), 1):
    text = (text or b'').decode('utf-8', 'surrogateescape')
    yield from maker.whole(text, number)


def _texts(source: Input, column: str) -> Iterator[bytes | None]:
  import pyarrow
  from pyarrow import parquet

  with files.explained('read', source.path):
    file = source.open_file(source.path)
  with contextlib.closing(file):
    try:
      size = file.seek(0, os.SEEK_END)
      # Pages are read one after another, not a whole row group at once.
      table = parquet.ParquetFile(
        file,
        pre_buffer=False,
        buffer_size=1 << 20,
        page_checksum_verification=True,  # Where there are checksums.
      )
      _check_column(table, column, source.path)
      num_rows = 0
      for batch in table.iter_batches(_ROWS, columns=[column]):
        yield from batch.column(0).cast(pyarrow.large_binary()).to_pylist()
        num_rows += len(batch)
        if source.told:
          source.told(size * num_rows // table.metadata.num_rows)
    except (pyarrow.ArrowException, OSError) as error:
      raise UserError(
        f'{source.path} is no Parquet file, or damaged: {error}'
      ) from error


def _check_column(table: 'ParquetFile', column: str, path: str) -> None:
  """Raises a `UserError` if there is no such column of text."""
  from pyarrow import types

  columns = table.schema_arrow
  if (count := columns.names.count(column)) != 1:
    raise UserError(
      f'{path}: there {"are several columns" if count else "is no column"} '
      f'{column!r} (--text_field); there are {", ".join(columns.names)}'
    )
  kind = columns.field(column).type
  is_dictionary = types.is_dictionary(kind)
  if str(kind.value_type if is_dictionary else kind) not in _TEXT_TYPES:
    raise UserError(f'{path}: the column {column!r} is {kind}, expected text')
