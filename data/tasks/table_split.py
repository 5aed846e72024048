"""Splits the examples of one table into train, dev and test, without leaks.

All rows with the same text (`text_key`; a pair may be turned round) are in one
split. Each label has its share in dev and in test, and train has all labels.
Which texts these are is computed from the examples and the seed: the order of
the rows and the name of the file change nothing.

`split_options` has the settings, `split_folder` writes the splits.

Does not import TensorFlow.
"""

import collections
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from data.tasks.examples import Example
from data.tasks.text_key import TextKey, text_key
from system.errors import UserError

SPLITS = ('train', 'dev', 'test')
# A class of fewer texts cannot be in each split: it is only in train.
MIN_TEXTS = len(SPLITS)

# The positions of the examples that share a text.
_Group = list[int]


def group_key(example: Example) -> TextKey:
  """Returns what the examples that must stay together have in common."""
  key = text_key(example.text_a, example.text_b)
  return key if key[1] is None else tuple(sorted(key))


def split(
  examples: Sequence[Example],
  dev_fraction: float,
  test_fraction: float,
  seed: int,
  is_regression: bool = False,
) -> dict[str, list[int]]:
  """Divides examples into train, dev and test.

  Each class with `MIN_TEXTS` texts or more has its share of dev and of test,
  rounded up or down and at least one; train has the rest. Where many examples
  share a text, a share can differ by their number. A text with several labels
  belongs to the class of the rarest; it is in train if train would lack one of
  its labels.

  Args:
    examples: with labels.
    dev_fraction: the share of dev; 0 for none.
    test_fraction: the share of test; 0 for none.
    seed: chooses the texts.
    is_regression: whether labels are numbers, which are not stratified.

  Returns:
    Split → the positions of its examples, in an order that the seed decides.
    The texts of smaller classes are in train.

  Raises:
    UserError: a split would be empty.
  """
  keys = [group_key(example) for example in examples]
  order = _order(keys, seed)
  fractions = {'dev': dev_fraction, 'test': test_fraction}
  fractions = {name: share for name, share in fractions.items() if share}
  placed: dict[str, list[_Group]] = {name: [] for name in SPLITS}
  classes = _classes(examples, keys, order, is_regression)
  large = {k: v for k, v in classes.items() if len(v) >= MIN_TEXTS}
  shares = _quotas({k: sum(map(len, v)) for k, v in large.items()}, fractions)
  for label, groups in classes.items():
    quotas = shares.get(label, {'train': len(groups)})
    for name, group in _place(groups, quotas):
      placed[name].append(group)
  if not is_regression:
    placed = _with_all_labels_in_train(placed, examples)
  found = {name: list(itertools.chain(*own)) for name, own in placed.items()}
  for name in ('train', *fractions):
    if not found[name]:
      raise UserError(
        f'{len(examples):,} examples of {len(classes):,} labels leave nothing '
        f'for {name}: expected at least {MIN_TEXTS} different texts of one '
        'label (if the labels are numbers to predict, set `regression`)'
      )
  rank = {position: i for i, position in enumerate(order)}
  return {
    name: sorted(positions, key=rank.__getitem__)
    for name, positions in found.items()
  }


def small_classes(examples: Iterable[Example]) -> dict[str, int]:
  """Returns the labels with fewer than `MIN_TEXTS` texts → their texts.

  A text with several labels counts for each of them.
  """
  counts = _num_texts((e.label, group_key(e)) for e in examples)
  return {label: n for label, n in counts.items() if n < MIN_TEXTS}


def _num_texts(
  labelled: Iterable[tuple[str, TextKey]],
) -> collections.Counter[str]:
  """Returns each label → the number of different texts that have it."""
  return collections.Counter(label for label, _ in dict.fromkeys(labelled))


def _order(keys: Sequence[TextKey], seed: int) -> list[int]:
  """Returns the positions, sorted by a hash of seed and text, then as given.

  Examples of the same text are neighbours.
  """
  ranks = [hashlib.sha256(f'{seed} {key!r}'.encode()).digest() for key in keys]
  return sorted(range(len(keys)), key=ranks.__getitem__)


def _classes(
  examples: Sequence[Example],
  keys: Sequence[TextKey],
  order: Iterable[int],
  is_regression: bool,
) -> dict[str, list[_Group]]:
  """Returns each label's texts, the most frequent text first, then in order.

  A text with several labels belongs to the one with the fewest texts. So all
  texts of a label with fewer than `MIN_TEXTS` are in classes of as few.
  """
  groups: dict[TextKey, _Group] = collections.defaultdict(list)
  for position in order:
    groups[keys[position]].append(position)
  labels = ['' if is_regression else example.label for example in examples]
  counts = _num_texts(zip(labels, keys, strict=True))
  classes: dict[str, list[_Group]] = collections.defaultdict(list)
  for group in groups.values():
    own = {labels[position] for position in group}
    classes[min(own, key=lambda x: (counts[x], x))].append(group)
  for texts in classes.values():
    texts.sort(key=len, reverse=True)
  return dict(classes)


def _quotas(
  sizes: Mapping[str, int], fractions: Mapping[str, float]
) -> dict[str, dict[str, int]]:
  """Returns how many examples of each class go to each split.

  A share is rounded so that the shares of all classes add up to the split's.

  Args:
    sizes: label → the number of its examples, at least `MIN_TEXTS`.
    fractions: the splits other than train → their shares.
  """
  ideal = dict.fromkeys(fractions, 0.0)
  given = dict.fromkeys(fractions, 0)
  quotas = {}
  for label in sorted(sizes, key=lambda label: (-sizes[label], label)):
    left, still_empty = sizes[label], len(fractions)
    own = {}
    for name, fraction in fractions.items():
      share = fraction * sizes[label]
      ideal[name] += share
      count = round(ideal[name] - given[name])
      count = min(max(count, math.floor(share), 1), max(math.ceil(share), 1))
      own[name] = min(count, left - still_empty)
      given[name] += own[name]
      left -= own[name]
      still_empty -= 1
    quotas[label] = {'train': left, **own}
  return quotas


def _place(
  groups: Sequence[_Group], quotas: Mapping[str, int]
) -> Iterable[tuple[str, _Group]]:
  """Yields each text's split: the one that lacks the most examples.

  No split with a quota stays empty, if there are as many texts as splits.
  """
  lacking, empty = dict(quotas), dict.fromkeys(quotas)
  for number, group in enumerate(groups):
    is_last_chance = len(groups) - number <= len(empty)
    name = max(empty if is_last_chance else lacking, key=lacking.__getitem__)
    lacking[name] -= len(group)
    empty.pop(name, None)
    yield name, group


def _with_all_labels_in_train(
  placed: Mapping[str, Sequence[_Group]], examples: Sequence[Example]
) -> dict[str, list[_Group]]:
  """Moves texts to train until it has each label of dev and test.

  Train can lack a label whose texts all have rarer labels, too.
  """
  own: dict[str, list[_Group]] = {name: [] for name in placed}
  known = {examples[i].label for group in placed['train'] for i in group}
  for name, groups in placed.items():
    for group in groups:
      labels = {examples[position].label for position in group}
      own[name if labels <= known else 'train'].append(group)
      known |= labels
  return own
