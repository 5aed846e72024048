"""Reads files of unlabelled texts: plain text, or columns of tables.

  ending             read as
  .csv .jsonl .json  a table, as those of tasks (see `data.tasks.tables`)
  .parquet           a table
  any other          a table in TSV if its first line names the columns of the
                     texts; otherwise one sentence or tab-separated pair a line

Tested by `tests/data/tasks/text_rows_test.py` and
`tests/distillation/transfer_text_test.py`.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from absl import logging

from data.tasks import tables
from data.tasks.examples import Example
from data.tasks.task import Task
from data.text import parquet
from data.text.text_formats import Input
from system import text_files
from system.errors import UserError, listed, shown

# A first line that has only these words is a header, not an example.
_COLUMN_NAMES = frozenset(
  'sentence sentence1 sentence2 sentence_a sentence_b question question1 '
  'question2 premise hypothesis text text1 text2 text_a text_b label score id '
  'idx index'.split()
)


@dataclasses.dataclass(frozen=True)
class TextColumns:
  """The columns of the tables with the texts.

  Attributes:
    names: one column, or two for pairs.
    are_given: whether the user named them for these files. Then each
      .tsv file, and at least one file, must be a table.
  """

  names: tuple[str, ...]
  are_given: bool = False


class Row(NamedTuple):
  """One row of a file."""

  number: int  # Of the line in which it begins, or of Parquet's row; from 1.
  where: str  # The file and the line, for messages.
  # One, or two for a pair; they may be blank. A single text that is null in
  # JSON or Parquet is blank.
  texts: tuple[str, ...]
  example_id: str | None = None  # Of a column for ids.


def read_examples(path: str, task: Task) -> list[Example]:
  """Reads texts to predict.

  Args:
    path: the file.
    task: says whether a text is a pair; its columns are those of tables. An
      example's id is that of the task's column for ids, if it has one, else the
      number of its line or row.

  Raises:
    UserError: the file is malformed or empty, or a row is blank or has another
      number of texts; the message names the file and the line. Or it is no
      table, although the task has a column for ids.
  """
  split = next(iter(task.splits.values()))
  if split.id_column:
    rows = _rows_with_ids(path, split.text_columns, split.id_column)
  else:
    rows = open_file(path, TextColumns(split.text_columns))[1]
  examples = []
  for row in rows:
    if len(row.texts) != 1 + task.is_pair:
      expected = 'a tab-separated pair' if task.is_pair else 'one text'
      raise UserError(
        f'{row.where}: found {len(row.texts)} texts, expected {expected}'
      )
    if not all(text.strip() for text in row.texts):
      raise UserError(f'{row.where}: a text is blank')
    example_id = row.example_id or str(row.number)
    examples.append(Example(example_id, *(*row.texts, None)[:2], None))
  if not examples:
    raise UserError(f'{path} holds no text')
  return examples


def _rows_with_ids(
  path: str, columns: Sequence[str], id_column: str
) -> Iterator[Row]:
  """Yields the rows of a table that has a column for ids."""
  if not tables.is_table(path):
    raise UserError(
      f'`id_column`={id_column} cannot take effect: the name of {path} is not '
      'that of a table (.tsv, .csv, .jsonl, .parquet)'
    )
  table_format = tables.format_of(path)
  rows = tables.read_rows(path, table_format, (*columns, id_column))
  for number, row in rows:
    where = tables.place(path, table_format, number)
    if isinstance(row, str):
      raise UserError(f'{where}: {row}')
    texts = tuple(row[name] for name in columns)
    if not (example_id := row[id_column]).strip():
      raise UserError(f'{where}: the {shown(id_column)} is blank')
    text_files.check_encodable((*texts, example_id), where)
    yield Row(number, where, texts, example_id)


def open_file(path: str, columns: TextColumns) -> tuple[bool, Iterator[Row]]:
  """Opens a file.

  Returns:
    Whether the file is a table, and its rows.

  Raises:
    UserError: the file is malformed, or its first line is a header of other
      columns; the message names the file and the line. Some mistakes are only
      found when the rows are read.
  """
  table_format = tables.format_of(path) if tables.is_table(path) else None
  if table_format == 'parquet':
    return True, _parquet_rows(path, columns.names)
  lines = text_files.read_lines(path)
  if table_format in (None, 'tsv'):
    first = list(itertools.islice(lines, 1))
    lines = itertools.chain(first, lines)
    header = first[0].split('\t') if first else []
    if not set(columns.names) <= set(header) and not (
      table_format and columns.are_given
    ):
      _refuse_header(header, columns.names, path)
      if table_format:
        logging.warning(
          '%s: the first line does not name %s, so it is read as a text',
          path,
          listed(columns.names),
        )
      return False, _plain_rows(lines, columns.names, path)
    logging.info('%s is read as a table in TSV', path)
    table_format = 'tsv'
  return True, _table_rows(lines, path, table_format, columns.names)


def _refuse_header(
  header: Sequence[str], names: Sequence[str], path: str
) -> None:
  if header and set(header) <= _COLUMN_NAMES:
    raise UserError(
      f'{path}, line 1: found the header {listed(header)}, expected a text, or '
      f'a header with {listed(names)}. Rename the columns, or remove the line. '
      'For `transfer_file`, `text_column` and, for pairs, `text_pair_column` '
      'also name the columns.'
    )


def _plain_rows(
  lines: Iterable[str], names: Sequence[str], path: str
) -> Iterator[Row]:
  for number, line in enumerate(lines, 1):
    where, texts = f'{path}, line {number}', tuple(line.split('\t'))
    if len(texts) > 2:
      raise UserError(
        f'{where}: found {len(texts)} columns, expected a sentence or a '
        f'tab-separated pair, or a header with {listed(names)}'
      )
    yield Row(number, where, texts)


def _table_rows(
  lines: Iterable[str], path: str, table_format: str, names: tuple[str, ...]
) -> Iterator[Row]:
  is_single = len(names) == 1
  rows = tables.rows_in(
    lines, path, table_format, names, nulls_are_blank=is_single
  )
  for number, row in rows:
    where = f'{path}, line {number}'
    if isinstance(row, str):
      raise UserError(f'{where}: {row}')
    texts = tuple(row[name] for name in names)
    text_files.check_encodable(texts, where)
    yield Row(number, where, texts)


def _parquet_rows(path: str, names: tuple[str, ...]) -> Iterator[Row]:
  rows = parquet.read_columns(Input(path), names, 'text_column')
  for number, values in enumerate(rows, 1):
    where = f'{path}, row {number}'
    for name, value in zip(names, values, strict=True):
      if value is None and len(names) > 1:
        raise UserError(f'{where}: there is no {name!r}')
    try:
      yield Row(
        number, where, tuple((value or b'').decode() for value in values)
      )
    except UnicodeDecodeError as error:
      raise UserError(f'{where}: expected UTF-8 text: {error}') from error
