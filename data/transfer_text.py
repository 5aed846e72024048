"""A transfer set's texts, and which of them must be left out."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence

from absl import logging

from data import files, text_files
from data.errors import UserError
from data.tasks import Example, Task

# (example_id, text_a, text_b or None)
Text = tuple[str, str, str | None]


def read_transfer_text(
  path_patterns: str | Iterable[str],
) -> Iterator[Text]:
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


def select(
  texts: Iterable[Text], held_out: Sequence[Example], is_pair: bool
) -> tuple[list[Text], int]:
  """Leaves out what stands in dev or test.

  Args:
    texts: the transfer set.
    held_out: the task's dev and test examples.
    is_pair: whether the task has pairs.

  Returns:
    The texts that stay, in their order, and how many were left out.

  Raises:
    UserError: nothing is left, or single sentences stand where the task has
      pairs, or the other way round.
  """
  is_held_out = SentenceFilter(held_out).is_held_out
  kept, num_held_out = [], 0
  for text in texts:
    example_id, text_a, text_b = text
    if (text_b is not None) != is_pair:
      wanted = 'tab-separated pairs' if is_pair else 'single sentences'
      raise UserError(f'{example_id}: the task has {wanted}')
    if is_held_out(text_a, text_b):
      num_held_out += 1
    else:
      kept.append(text)
  if not kept:
    raise UserError('the transfer set has no text outside of dev and test')
  logging.info(
    '%d texts; left out %d that stand in dev or test', len(kept), num_held_out
  )
  return kept, num_held_out


def checksum(texts: Sequence[Text]) -> str:
  """Returns what identifies a transfer set, its SHA-256."""
  digest = hashlib.sha256()
  for text in texts:
    digest.update(repr(text).encode())
  return digest.hexdigest()


def read(
  task: Task, data_dir: str, transfer_file: str | None, split: str | None
) -> Iterator[Text]:
  """Yields the texts of files, then those of a split of the task.

  Args:
    task: the task.
    data_dir: its folder.
    transfer_file: as for `read_transfer_text`; None for no file.
    split: whose text, without its labels, joins; None for none.
  """
  if transfer_file:
    yield from read_transfer_text(transfer_file)
  if split:
    for example in task.read_split(data_dir, split):
      yield f'{split}:{example.example_id}', example.text_a, example.text_b


def held_out_examples(task: Task, data_dir: str) -> list[Example]:
  """Reads what no student may see: dev and, where there is one, test."""
  held_out = []
  for split in task.held_out_splits():
    if split == 'dev' or task.has_split(data_dir, split):
      held_out += task.read_split(data_dir, split)
    else:
      logging.warning('no %s split to keep out of the transfer set', split)
  return held_out
