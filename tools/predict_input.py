"""The texts that `tools.predict` reads: lines or a table, in the background.

Tested by `tests/tools/predict_test.py`.
"""

import codecs
import contextlib
import dataclasses
import queue
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
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
    """Yields where a text comes from, for messages, and the text or pair.

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
    if self.path and self.table_format == 'parquet':
      rows = tables.read_rows(
        self.path, self.table_format, columns, allows_missing=True
      )
    else:
      name = self.path or _STDIN
      lines = text_files.read_lines(self.path) if self.path else _stdin_lines()
      # A null is labelled as a blank text, so that no row is missing.
      rows = tables.rows_in(
        lines, name, self.table_format, columns, nulls_are_blank=True
      )
    for number, row in rows:
      where = tables.place(self.path or _STDIN, self.table_format, number)
      if isinstance(row, str):
        raise UserError(f'{where}: {row}')
      first, *second = texts = [row.get(column, '') for column in columns]
      text_files.check_encodable(texts, where)
      yield where, (first, *second) if second else first

  def as_texts(
    self, items: Sequence[tuple[str, Text]], takes_pairs: bool | None
  ) -> tuple[list[Text], UserError | None]:
    """Returns what a model takes: the texts of a line are separated by a tab.

    Args:
      items: as `read` yields them.
      takes_pairs: the model's.

    Returns:
      The texts up to the first that the model does not take, because it is a
      pair and the model takes one text, or the reverse; and the error that says
      so, None if there is no such text.
    """
    is_pair = bool(takes_pairs)
    if takes_pairs is None and self.text_pair_column:
      is_pair = True
    from data.tasks import tables

    is_tsv = self.path is not None and tables.is_table(self.path)
    texts: list[Text] = []
    for where, text in items:
      if isinstance(text, str) and (is_pair or is_tsv) and not self.text_column:
        first, *others = text.split('\t')
        text = (first, *others) if is_pair or others else first
      num_texts = 1 if isinstance(text, str) else len(text)
      if num_texts != 1 + is_pair:
        expected = self._expected_texts(is_pair)
        error = f'{where}: found {num_texts} texts, expected {expected}'
        return texts, UserError(error)
      texts.append(text)
    return texts, None

  def _expected_texts(self, is_pair: bool) -> str:
    if not is_pair and self.text_column:
      return 'one'
    if not is_pair:
      return 'one: name the column with the text as --text_column'
    if self.text_column:
      return 'two: name the column of the second as --text_pair_column'
    return 'two, separated by a tab'


def _stdin_lines() -> Iterator[str]:
  # A thread that waits in `sys.stdin` holds its lock, and Python's exit needs
  # the lock.
  with open(sys.stdin.fileno(), 'rb', closefd=False) as file:
    for number, line in enumerate(file, 1):
      text = line.removesuffix(b'\n')
      if number == 1:
        text = text.removeprefix(codecs.BOM_UTF8)
      yield text_files.decode(text, _STDIN, number)


def in_background(items: Iterable[Any]) -> Iterator[list[Any]]:
  """Starts to read, and returns an iterator over what has arrived.

  Returns:
    Yields lists of the items that have arrived since, at least one in a list.
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
  return _groups(arrived)


def _groups(arrived: queue.Queue) -> Iterator[list[Any]]:
  last = ()
  while not _is_end(last):
    group = [arrived.get()]
    with contextlib.suppress(queue.Empty):
      while len(group) < _MAX_LINES and not _is_end(group[-1]):
        group.append(arrived.get_nowait())
    last = group[-1]
    if items := group[:-1] if _is_end(last) else group:
      yield items
  if isinstance(last, Exception):
    raise last


def _is_end(item: Any) -> bool:
  return item is _END or isinstance(item, Exception)
