"""The transfer set: texts from several sources, without those of dev and test.

A subset can be drawn, in which each source has its share; `transfer_seed`
decides which texts. The texts keep the order of their sources.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np
from absl import logging

from data.tasks import held_out
from data.tasks.held_out import HeldOut
from data.tasks.options import TaskOptions
from data.tasks.task import Task
from data.tasks.text_rows import TextColumns
from data.text.tfds_source import TfdsSource
from distillation.transfer_options import TransferOptions
from distillation.transfer_text import Text, read_files
from system.errors import UserError


@dataclasses.dataclass(frozen=True)
class TransferSet:
  """The texts to score, and how many were left out as dev or test texts."""

  texts: list[Text]
  num_held_out: int

  def checksum(self) -> str:
    """Returns the SHA-256 of the texts, with their ids and labels."""
    digest = hashlib.sha256()
    for text in self.texts:
      digest.update(repr(tuple(text)).encode())
    return digest.hexdigest()


def columns_of(
  task: Task, options: TaskOptions, transfer: TransferOptions
) -> TextColumns:
  """Returns the columns of the texts in the tables of a transfer set.

  They are `transfer_text_column` and `transfer_text_pair_column`, else
  `text_column` and `text_pair_column`, else the task's own.

  Raises:
    UserError: a column of second texts is given for a task with single
      sentences.
  """
  own = task.splits['train'].text_columns
  shared = (options.text_column, options.text_pair_column)
  apart = (transfer.transfer_text_column, transfer.transfer_text_pair_column)
  names = ('text_pair_column', 'transfer_text_pair_column')
  for name, value in zip(names, (shared[1], apart[1]), strict=True):
    if value and not task.is_pair:
      raise UserError(
        f'`{name}`={value} cannot take effect: {task.name} has single sentences'
      )
  columns = tuple(
    first or second or third
    for first, second, third in zip(apart, shared, own, strict=False)
  )
  are_given = any(apart) or (any(shared) and not options.is_custom)
  return TextColumns(columns, are_given)


def make(
  task: Task,
  data_dir: str | None,
  options: TransferOptions,
  columns: TextColumns,
  tfds_dir: str | None = None,
) -> TransferSet:
  """Reads the sources, leaves out dev and test, and draws the texts.

  Args:
    task: the task.
    data_dir: the folder of its data.
    options: the sources and how many of their texts to use.
    columns: the columns of the texts in tables.
    tfds_dir: the folder of tensorflow-datasets' data; None for its default.

  Raises:
    UserError: a source is missing or malformed, no text is left, or a source
      has single sentences but the task has pairs, or the reverse.
  """
  groups = _read(task, data_dir, options, columns, tfds_dir)
  dev_and_test = held_out.read(task, data_dir)
  kept = [
    _without_held_out(group, dev_and_test, task.is_pair) for group in groups
  ]
  num_kept = sum(map(len, kept))
  if not num_kept:
    raise UserError('the transfer set has no text outside of dev and test')
  num_held_out = sum(map(len, groups)) - num_kept
  count, seed = options.max_transfer_examples, options.transfer_seed
  if weights := options.weights():
    for name, group in zip(options.names(), kept, strict=True):
      if not group:
        raise UserError(f'{name} has no text outside of dev and test')
    drawn = draw(kept, weights, count, seed)
    for name, texts in zip(options.names(), drawn, strict=False):
      logging.info('%s: %d texts', name, len(texts))
  else:
    drawn = [[x for group in kept for x in group]]
    if count is not None:
      drawn = draw(drawn, (1.0,), count, seed)
  result = TransferSet([x for texts in drawn for x in texts], num_held_out)
  logging.info(
    'The transfer set has %d of %d texts; left out %d that are in dev or test.',
    len(result.texts),
    num_kept,
    num_held_out,
  )
  return result


def _read(
  task: Task,
  data_dir: str | None,
  options: TransferOptions,
  columns: TextColumns,
  tfds_dir: str | None,
) -> list[list[Text]]:
  """Returns the texts of each source."""
  files, split = options.transfer_file, options.transfer_split
  groups = read_files(files, columns) if files else []
  if split:
    groups.append(
      [
        Text(f'{split}:{e.example_id}', e.text_a, e.text_b, e.label)
        for e in task.read_split(data_dir, split)
      ]
    )
  if options.transfer_tfds:
    groups.append(_read_tfds(options, tfds_dir))
  return groups


def _read_tfds(options: TransferOptions, data_dir: str | None) -> list[Text]:
  """Reads a split of tensorflow-datasets, which downloads it if needed."""
  name, split, columns = options.tfds_parts()
  given = f'`transfer_tfds`={options.transfer_tfds}'
  source = TfdsSource(name, data_dir, given)
  texts, num_blank = [], 0
  for number, row in enumerate(source.rows(split, columns)):
    text = tuple(map(row.get, columns))
    if all(part.strip() for part in text):
      texts.append(Text(f'{name}:{split}:{number}', *(*text, None)[:2]))
    else:  # A data set cannot be mended as a file can.
      num_blank += 1
  if num_blank:
    logging.info('%s: left out %d rows with a blank text', given, num_blank)
  return texts


def _without_held_out(
  texts: Sequence[Text], dev_and_test: HeldOut, is_pair: bool
) -> list[Text]:
  """Returns the texts that are neither in dev nor in test."""
  for text in texts:
    if (text.text_b is not None) != is_pair:
      kinds = ('a single sentence', 'a tab-separated pair')
      raise UserError(
        f'{text.example_id}: found {kinds[not is_pair]}, the task needs '
        f'{kinds[is_pair]}'
      )
  return [t for t in texts if not dev_and_test.has(t.text_a, t.text_b)]


def draw(
  groups: Sequence[Sequence[Text]],
  weights: Sequence[float],
  count: int | None,
  seed: int,
) -> list[list[Text]]:
  """Draws texts from several sources, each with its share.

  Each source's texts are shuffled. The text of rank r in a source of weight w
  gets the position (r + 1/2) / w. Texts are drawn in the order of their
  positions until a source runs out. Hence every prefix of that order has the
  shares, no text repeats, and a smaller draw is part of a larger one.

  Args:
    groups: the sources' texts.
    weights: above 0, one for each source.
    count: the maximum number of texts to draw; None draws as many as the shares
      allow.
    seed: of the shuffle.

  Returns:
    For each source the drawn texts, in their order.
  """
  end = min(len(g) / w for g, w in zip(groups, weights, strict=True))
  candidates = []
  for source, (group, weight) in enumerate(zip(groups, weights, strict=True)):
    random = np.random.Generator(np.random.PCG64([seed, source]))
    for rank, row in enumerate(random.permutation(len(group)).tolist()):
      if (position := (rank + 0.5) / weight) < end:
        candidates.append((position, source, row))
  taken = sorted(candidates)[:count]
  return [
    [group[row] for row in sorted(r for _, s, r in taken if s == source)]
    for source, group in enumerate(groups)
  ]
