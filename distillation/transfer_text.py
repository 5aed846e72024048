"""Reads the text files of a transfer set."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from absl import logging

from data.tasks import text_rows
from data.tasks.text_rows import Row, TextColumns
from system import files
from system.errors import UserError, listed


class Text(NamedTuple):
  """One sentence or pair of a transfer set."""

  example_id: str
  text_a: str
  text_b: str | None  # None for single sentences.
  label: str | None = None  # As in the task's file; None if unknown.


def names_of(paths: Iterable[str]) -> list[str]:
  """Returns the names of files that begin the ids of their texts.

  They are the base names, or the paths if two base names are equal.
  """
  paths = list(paths)
  names = [os.path.basename(path) for path in paths]
  return names if len(set(names)) == len(names) else paths


def read_files(
  patterns: Sequence[str], columns: TextColumns
) -> list[list[Text]]:
  """Reads the texts of files; see `text_rows` for their formats.

  Args:
    patterns: file names or globs, plain or compressed. A file that matches two
      patterns belongs to the first.
    columns: the columns of tables with the texts.

  Returns:
    For each pattern the texts of its files. A text's id is 'file:line', where
    file is the file's name if no two files share one, otherwise its path.
    Blank texts are left out; their number is logged.

  Raises:
    UserError: a file is malformed, there is no text, a line has more than two
      columns or an empty half, or the set has single sentences and pairs. The
      message names the file and line. Or columns are given, but no file is a
      table.
  """
  pattern_of: dict[str, int] = {}
  for number, pattern in enumerate(patterns):
    for path in files.expand(pattern):
      pattern_of.setdefault(path, number)
  names = names_of(pattern_of)
  texts: list[list[Text]] = [[] for _ in patterns]
  has_table = False
  for (path, number), name in zip(pattern_of.items(), names, strict=True):
    is_table, rows = text_rows.open_file(path, columns)
    has_table = has_table or is_table
    texts[number] += _texts(rows, path, name)
  if columns.are_given and not has_table:
    raise UserError(
      'the columns cannot take effect: no file of `transfer_file` is a table '
      'whose first line names '
      f'{listed(columns.names)}'
    )
  _check_kinds([text for group in texts for text in group])
  if not any(texts):
    raise UserError(f'no text in {", ".join(pattern_of)}: every line is blank')
  return texts


def _texts(rows: Iterable[Row], path: str, name: str) -> list[Text]:
  """Returns the texts of a file's rows, without the blank ones."""
  texts, num_blank = [], 0
  for row in rows:
    are_blank = [not text.strip() for text in row.texts]
    if all(are_blank):
      num_blank += 1
    elif any(are_blank):
      raise UserError(f'{row.where}: one half of the pair is empty')
    else:
      texts.append(Text(f'{name}:{row.number}', *(*row.texts, None)[:2]))
  if num_blank:
    logging.info('%s: left out %d blank lines', path, num_blank)
  return texts


def _check_kinds(texts: Sequence[Text]) -> None:
  """Raises a `UserError` if there are both single sentences and pairs."""
  kind = {True: 'a single sentence', False: 'a tab-separated pair'}
  for text in texts:
    if (text.text_b is None) != (texts[0].text_b is None):
      raise UserError(
        f'{text.example_id}: found {kind[text.text_b is None]}, expected '
        f'{kind[texts[0].text_b is None]} as in {texts[0].example_id}: one '
        'transfer set cannot hold both'
      )
