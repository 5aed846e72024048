"""A transfer set's texts, and which of them must be left out."""

import os
from collections.abc import Iterable, Iterator

from absl import logging

from data import files, text_files
from data.errors import UserError
from data.tasks import Example


def read_transfer_text(
  path_patterns: str | Iterable[str],
) -> Iterator[tuple[str, str, str | None]]:
  """Yields a transfer set's texts: a sentence, or a tab-separated pair, a line.

  Args:
    path_patterns: as for `files.expand`; plain or gzip UTF-8 text.

  Yields:
    (example_id, text_a, text_b): the id is 'file:line', where file is the name
    without its folder as long as the names differ; text_b is None for single
    sentences. Blank lines are left out, and logged with their number.

  Raises:
    UserError: no text at all, a line of more than two columns or with an empty
      half, or single sentences and pairs in one set; file and line are named.
  """
  paths = files.expand(path_patterns)
  base_names = [os.path.basename(path) for path in paths]
  names = base_names if len(set(base_names)) == len(paths) else paths
  first = None  # Where the first text stood, and its number of columns.
  for path, name in zip(paths, names, strict=True):
    num_blank = 0
    for number, line in enumerate(text_files.read_lines(path), 1):
      if not line.strip():
        num_blank += 1
        continue
      texts = _transfer_columns(line, f'{path}, line {number}')
      first = first or (f'{path}, line {number}', len(texts))
      if len(texts) != first[1]:
        raise UserError(
          f'{path}, line {number}: found {_KIND[len(texts)]}, expected '
          f'{_KIND[first[1]]} as in {first[0]}: one transfer set cannot hold '
          'both'
        )
      yield f'{name}:{number}', texts[0], texts[1] if texts[1:] else None
    if num_blank:
      logging.info('%s: left out %d blank lines', path, num_blank)
  if first is None:
    raise UserError(f'no text in {", ".join(paths)}: every line is blank')


_KIND = {1: 'a single sentence', 2: 'a tab-separated pair'}


def _transfer_columns(line: str, where: str) -> list[str]:
  """Splits a line into one or two texts, neither blank."""
  texts = line.split('\t')
  if len(texts) > 2:
    raise UserError(
      f'{where}: found {len(texts)} columns, expected a sentence or a '
      'tab-separated pair'
    )
  if not all(text.strip() for text in texts):
    raise UserError(f'{where}: one half of the pair is empty')
  return texts


class SentenceFilter:
  """Tells which texts also stand in held-out examples, up to form.

  Case and white space do not count, so that GLUE's tokenised `it 's` is found
  in running text. A pair is held out if both halves match in their order.
  """

  def __init__(self, held_out: Iterable[Example]):
    """Remembers the task's dev and test examples."""
    self._keys = {_text_key(e.text_a, e.text_b) for e in held_out}

  def is_held_out(self, text_a: str, text_b: str | None = None) -> bool:
    """Returns whether a sentence, or pair, must be left out."""
    return _text_key(text_a, text_b) in self._keys


def _text_key(text_a: str, text_b: str | None) -> tuple[str, str | None]:
  return _normalise(text_a), None if text_b is None else _normalise(text_b)


def _normalise(text: str) -> str:
  return ''.join(text.lower().split())
