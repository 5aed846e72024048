"""Reads the text files of a transfer set, and finds held-out texts."""

import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from absl import logging

from data.tasks.examples import Example
from system import files, text_files
from system.errors import UserError

# Tables are refused, because only one of their columns is text.
_TABLE = re.compile(r'\.(csv|jsonl?|parquet)(\.\w+)?$')


class Text(NamedTuple):
  """One sentence or pair of a transfer set."""

  example_id: str
  text_a: str
  text_b: str | None  # None for single sentences.
  label: str | None = None  # As in the task's file; None if unknown.


def read_files(patterns: Sequence[str]) -> list[list[Text]]:
  """Reads texts, one sentence or tab-separated pair per line.

  Args:
    patterns: file names or globs of plain or gzip UTF-8 text. A file that
      matches two patterns belongs to the first.

  Returns:
    For each pattern the texts of its files. A text's id is 'file:line', where
    file is the file's name if no two files share one, otherwise its path.
    Blank lines are left out; their number is logged.

  Raises:
    UserError: a file is a table, there is no text, a line has more than two
      columns or an empty half, or the set has single sentences and pairs. The
      file and line are named.
  """
  pattern_of: dict[str, int] = {}
  for number, pattern in enumerate(patterns):
    for path in files.expand(pattern):
      pattern_of.setdefault(path, number)
  base_names = [os.path.basename(path) for path in pattern_of]
  names = (
    base_names if len(set(base_names)) == len(pattern_of) else list(pattern_of)
  )
  texts: list[list[Text]] = [[] for _ in patterns]
  for (path, number), name in zip(pattern_of.items(), names, strict=True):
    texts[number] += _read_file(path, name)
  _check_kinds([text for group in texts for text in group])
  if not any(texts):
    raise UserError(f'no text in {", ".join(pattern_of)}: every line is blank')
  return texts


def _read_file(path: str, name: str) -> list[Text]:
  if _TABLE.search(path):
    raise UserError(
      f'`transfer_file`: {path} is a table; expected text with one sentence or '
      'tab-separated pair per line. Write its text column to such a file.'
    )
  texts, num_blank = [], 0
  for number, line in enumerate(text_files.read_lines(path), 1):
    if line.strip():
      a, b = _columns(line, f'{path}, line {number}')
      texts.append(Text(f'{name}:{number}', a, b))
    else:
      num_blank += 1
  if num_blank:
    logging.info('%s: left out %d blank lines', path, num_blank)
  return texts


def _columns(line: str, where: str) -> tuple[str, str | None]:
  """Splits a line into one or two texts, neither blank."""
  texts = line.split('\t')
  if len(texts) > 2:
    raise UserError(
      f'{where}: found {len(texts)} columns, expected a sentence or a '
      'tab-separated pair'
    )
  if not all(text.strip() for text in texts):
    raise UserError(f'{where}: one half of the pair is empty')
  return texts[0], texts[1] if texts[1:] else None


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


class SentenceFilter:
  """Finds texts that are also held-out examples.

  Case and white space are ignored, so that GLUE's tokenised `it 's` matches
  running text. A pair is held out if both halves match in the same order.
  """

  def __init__(self, held_out: Iterable[Example]):
    """Takes the task's dev and test examples."""
    self._keys = {_text_key(e.text_a, e.text_b) for e in held_out}

  def is_held_out(self, text_a: str, text_b: str | None = None) -> bool:
    """Returns whether a sentence or pair must be left out."""
    return _text_key(text_a, text_b) in self._keys


def _text_key(text_a: str, text_b: str | None) -> tuple[str, str | None]:
  return _normalise(text_a), None if text_b is None else _normalise(text_b)


def _normalise(text: str) -> str:
  return ''.join(text.lower().split())
