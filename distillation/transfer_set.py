"""The transfer set: from where its texts come, and which of them are taken.

Sources, in this order: each entry of --transfer_file, --transfer_split,
--transfer_tfds. What stands in dev or test is left out; then a subset may be
drawn, with each source's share, by --transfer_seed. The texts keep the order
of their sources.
"""

import dataclasses
import hashlib
import re
from collections.abc import Sequence

import numpy as np
from absl import logging

from data.tasks.examples import Example
from data.tasks.task import Task
from data.text.tfds_rows import TfdsSource
from distillation.transfer_text import SentenceFilter, Text, read_files
from system.errors import UserError

# name[:version]:split:column or name[:version]:split:column_a+column_b
_TFDS = re.compile(r'([^:]+(?::\d[\d.*]*)?):([A-Za-z][^:]*(?:\[.*\])?):([^:]+)')


@dataclasses.dataclass(frozen=True)
class Sources:
  """Where a transfer set's texts come from, and how many are taken.

  Attributes:
    files: names and globs.
    split: of the task; its labels come with it.
    tfds: 'name:split:column', or 'name:split:column_a+column_b' for pairs.
    tfds_dir: where tensorflow-datasets keeps it; None is its default.
    weights: each source's share of the set, relative to the others'; empty
      where all texts are alike.
    max_examples: how many texts are taken at most; None takes all.
    seed: of the choice.
  """

  files: tuple[str, ...] = ()
  split: str | None = None
  tfds: str | None = None
  tfds_dir: str | None = None
  weights: tuple[float, ...] = ()
  max_examples: int | None = None
  seed: int = 0

  def names(self) -> list[str]:
    """Returns the sources' names, in their order."""
    return [*self.files, *filter(None, (self.split, self.tfds))]

  def check(self) -> None:
    """Raises a `UserError` for wrong weights or a malformed name."""
    if self.tfds and not _TFDS.fullmatch(self.tfds):
      raise UserError(
        f'--transfer_tfds={self.tfds}: expected name:split:column, or '
        'name:split:column_a+column_b for pairs'
      )
    if not self.weights:
      return
    if len(self.weights) != len(self.names()):
      raise UserError(
        f'--transfer_weights has {len(self.weights)} numbers, expected one for '
        f'each of {len(self.names())} sources: {", ".join(self.names())}'
      )
    if min(self.weights) <= 0:
      raise UserError('--transfer_weights must all be above 0')


@dataclasses.dataclass(frozen=True)
class TransferSet:
  """The texts to score, and how many were left out for dev's or test's sake."""

  texts: list[Text]
  num_held_out: int

  def checksum(self) -> str:
    """Returns what identifies the texts, their SHA-256."""
    digest = hashlib.sha256()
    for text in self.texts:
      digest.update(repr(tuple(text)).encode())
    return digest.hexdigest()


def make(task: Task, data_dir: str | None, sources: Sources) -> TransferSet:
  """Reads the sources and takes what is wanted.

  Raises:
    UserError: a source is missing or malformed, nothing is left, or single
      sentences stand where the task has pairs, or the other way round.
  """
  groups = _read(task, data_dir, sources)
  held_out = SentenceFilter(held_out_examples(task, data_dir))
  kept = [_outside(group, held_out, task.is_pair) for group in groups]
  num_kept = sum(map(len, kept))
  if not num_kept:
    raise UserError('the transfer set has no text outside of dev and test')
  num_held_out = sum(map(len, groups)) - num_kept
  if sources.weights:
    for name, group in zip(sources.names(), kept, strict=True):
      if not group:
        raise UserError(f'{name} has no text outside of dev and test')
    taken = draw(kept, sources.weights, sources.max_examples, sources.seed)
  else:
    pool = [text for group in kept for text in group]
    (texts,) = draw([pool], (1.0,), sources.max_examples, sources.seed)
    taken = [texts]
  for name, texts in zip(sources.names(), taken, strict=False):
    if sources.weights:
      logging.info('%s: %d texts', name, len(texts))
  result = TransferSet([x for texts in taken for x in texts], num_held_out)
  logging.info(
    '%d of %d texts; left out %d that stand in dev or test',
    len(result.texts),
    num_kept,
    num_held_out,
  )
  return result


def _read(
  task: Task, data_dir: str | None, sources: Sources
) -> list[list[Text]]:
  groups = read_files(sources.files) if sources.files else []
  if sources.split:
    groups.append(
      [
        Text(f'{sources.split}:{e.example_id}', e.text_a, e.text_b, e.label)
        for e in task.read_split(data_dir, sources.split)
      ]
    )
  if sources.tfds:
    groups.append(_read_tfds(sources.tfds, sources.tfds_dir))
  return groups


def _read_tfds(spec: str, data_dir: str | None) -> list[Text]:
  """Reads a split of tensorflow-datasets, which downloads it if need be."""
  name, split, columns = _TFDS.fullmatch(spec).groups()
  names = columns.split('+')
  source = TfdsSource(name, data_dir, f'--transfer_tfds={spec}')
  return [
    Text(f'{name}:{split}:{number}', *(*map(row.get, names), None)[:2])
    for number, row in enumerate(source.rows(split, names))
  ]


def _outside(
  texts: Sequence[Text], held_out: SentenceFilter, is_pair: bool
) -> list[Text]:
  """Returns the texts that stand neither in dev nor in test."""
  for text in texts:
    if (text.text_b is not None) != is_pair:
      kinds = ('a single sentence', 'a tab-separated pair')
      raise UserError(
        f'{text.example_id}: found {kinds[not is_pair]}, the task needs '
        f'{kinds[is_pair]}'
      )
  return [t for t in texts if not held_out.is_held_out(t.text_a, t.text_b)]


def draw(
  groups: Sequence[Sequence[Text]],
  weights: Sequence[float],
  count: int | None,
  seed: int,
) -> list[list[Text]]:
  """Draws texts from several sources so that each has its share.

  Each source's texts are shuffled; the text of rank r in a source of weight w
  gets the position (r + 1/2) / w, and the texts are taken in the order of their
  positions until a source is used up: so every beginning of that order has the
  shares, none is repeated, and a smaller draw is part of a larger one.

  Args:
    groups: the sources' texts.
    weights: above 0, one for each source.
    count: how many texts at most; None takes as many as the shares allow.
    seed: of the choice.

  Returns:
    For each source the texts taken, in their order.
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


def held_out_examples(task: Task, data_dir: str | None) -> list[Example]:
  """Reads what no student may see: dev and, where there is one, test."""
  held_out = []
  for split in task.held_out_splits():
    if split == 'dev' or task.has_split(data_dir, split):
      held_out += task.read_split(data_dir, split)
    else:
      logging.warning('no %s split to keep out of the transfer set', split)
  return held_out
