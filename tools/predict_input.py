"""The texts that `tools.predict` reads: lines or a table, in the background.

Tested by `tests/tools/predict_test.py`.
"""

import codecs
import dataclasses
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from serving.model import Text
from system import text_files
from system.errors import UserError

_STDIN = 'standard input'
# Lines labelled in one call; longer waits for input end a call earlier.
_MAX_LINES = 2048
_END = None


@dataclasses.dataclass(frozen=True)
class Source:
  """Where texts are read.

  Attributes:
    path: a file, plain or compressed, or Parquet; None for standard input.
    table_format: of a table, one of `data.tasks.tables.FORMATS`.
    text_column: the column with the text, or the first of a pair; None if the
      input is lines.
    text_pair_column: the column with the second text of a pair.
  """

  path: str | None = None
  table_format: str = 'tsv'
  text_column: str | None = None
  text_pair_column: str | None = None

  def read(self) -> Iterator[tuple[str, Text]]:
    """Yields where a text stands, for messages, and the text or pair.

    Raises:
      UserError: the input cannot be read, is not UTF-8, lacks a column, or has
        a text that UTF-8 cannot hold.
    """
    if self.text_column:
      yield from self._rows()
      return
    name = self.path or _STDIN
    lines = text_files.read_lines(self.path) if self.path else _stdin_lines()
    for number, line in enumerate(lines, 1):
      yield f'{name}, line {number}', line

  def _rows(self) -> Iterator[tuple[str, Text]]:
    from data.tasks import tables

    columns = [x for x in (self.text_column, self.text_pair_column) if x]
    if self.path:
      rows = tables.read_rows(self.path, self.table_format, columns)
    else:
      rows = tables.rows_in(_stdin_lines(), _STDIN, self.table_format, columns)
    for number, row in rows:
      where = tables.place(self.path or _STDIN, self.table_format, number)
      if isinstance(row, str):
        raise UserError(f'{where}: {row}')
      first, *second = texts = [row[column] for column in columns]
      text_files.check_encodable(texts, where)
      yield where, (first, *second) if second else first

  def as_text(self, where: str, text: Text, takes_pairs: bool | None) -> Text:
    """Returns what a model takes: the texts of a line are separated by a tab.

    Args:
      where: as `read` yields it.
      text: as `read` yields it.
      takes_pairs: the model's.

    Raises:
      UserError: there are two texts and the model takes one, or the reverse.
    """
    is_pair = bool(takes_pairs)
    if takes_pairs is None and self.text_pair_column:
      is_pair = True
    if isinstance(text, str) and is_pair and not self.text_column:
      text = tuple(text.split('\t'))
    num_texts = 1 if isinstance(text, str) else len(text)
    if num_texts != 1 + is_pair:
      expected = 'two, separated by a tab' if is_pair else 'one'
      raise UserError(f'{where}: found {num_texts} texts, expected {expected}')
    return text


def _stdin_lines() -> Iterator[str]:
  for number, line in enumerate(sys.stdin.buffer, 1):
    text = line.removesuffix(b'\n')
    if number == 1:
      text = text.removeprefix(codecs.BOM_UTF8)
    yield text_files.decode(text, _STDIN, number)


def in_background(items: Iterable[Any]) -> Iterator[list[Any]]:
  """Yields lists of those items that have arrived, at least one in a list.

  An exception in `items` is raised after the items before it.
  """
  arrived: queue.Queue = queue.Queue(2 * _MAX_LINES)

  def read() -> None:
    try:
      for item in items:
        arrived.put(item)
      arrived.put(_END)
    except Exception as error:
      arrived.put(error)

  threading.Thread(target=read, daemon=True).start()
  end = None
  while not end:
    group = []
    try:
      group.append(arrived.get())
      while len(group) < _MAX_LINES and not _is_end(group[-1]):
        group.append(arrived.get_nowait())
    except queue.Empty:
      pass
    end = [group.pop()] if _is_end(group[-1]) else None
    if group:
      yield group
  if isinstance(end[0], Exception):
    raise end[0]


def _is_end(item: Any) -> bool:
  return item is _END or isinstance(item, Exception)
