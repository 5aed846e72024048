"""Builds a classification task: are a sentence's words in their original order?

Half of the sentences are cut in two and the parts exchanged, "in the list each
word" for "each word in the list". The labels come with the text. The words of a
sentence say nothing about its label, only their order does. All sentences of a
module go to the same split. Of several near-duplicates one is kept.
"""

import dataclasses
import hashlib
import random
import re
from collections.abc import Iterable, Mapping, Sequence

from tools.docstrings.docstring_corpus import Module

OWN, EXCHANGED = 'own', 'exchanged'
LABELS = (EXCHANGED, OWN)

# Words of a sentence, and of each of its parts. Longer sentences are left out:
# short inputs keep the quickstart quick.
MIN_WORDS, MAX_WORDS = 8, 24
MIN_PART_WORDS = 3

# Words in a shingle. Two sentences that share eight consecutive words, apart
# from numbers, count as near-duplicates.
SHINGLE_WORDS = 8

_END = '.!?"\')'
_WORD = re.compile(r'[a-z]+')

# (text, label)
Pair = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Numbers of sentences of each split; `transfer` (D_T) is an upper bound."""

  train: int
  dev: int
  test: int
  transfer: int


@dataclasses.dataclass(frozen=True)
class Task:
  """A task's sentences and the modules that they come from.

  Attributes:
    splits: 'train', 'dev', 'test' or 'transfer' → its (text, label) pairs.
    module_splits: module → 'train' (D_L and the transfer set), 'dev' or 'test'.
    documents: for each module of 'train', its distinct sentences as they are
      there, of every length: text to pre-train on.
  """

  splits: Mapping[str, list[Pair]]
  module_splits: Mapping[str, str]
  documents: Sequence[Sequence[str]]


def make_text(sentence: str, label: str, rng: random.Random) -> str:
  """Returns a sentence, in its original order or with its parts exchanged.

  >>> make_text('Each word is in the list.', 'exchanged', random.Random(1))
  'in the list each word is'

  Args:
    sentence: at least two times `MIN_PART_WORDS` words.
    label: one of `LABELS`.
    rng: draws the place of the cut, for both labels.

  Returns:
    Lower-case text without the sentence's final punctuation: capitals and full
    stops would show where it began.
  """
  words = sentence.rstrip(_END).lower().split()
  cut = rng.randint(MIN_PART_WORDS, len(words) - MIN_PART_WORDS)
  return ' '.join(words if label == OWN else words[cut:] + words[:cut])


def shingles(sentence: str) -> list[int]:
  """Returns hashes of word n-grams, of which near-duplicates share one.

  Args:
    sentence: plain text. Case, digits and punctuation are ignored.

  Returns:
    A 64-bit hash of each sequence of `SHINGLE_WORDS` words, or of the whole
    sentence if it is shorter. Every process computes the same hashes.
  """
  words = _WORD.findall(sentence.lower())
  starts = range(max(1, len(words) - SHINGLE_WORDS + 1))
  return [_stable_hash(' '.join(words[i : i + SHINGLE_WORDS])) for i in starts]


def distinct_sentences(modules: Sequence[Module]) -> dict[str, list[str]]:
  """Drops near-duplicates.

  Returns:
    Module name → its sentences. Of several sentences with a common shingle, in
    one module or in several, the first is kept.
  """
  seen: set[int] = set()
  distinct: dict[str, list[str]] = {}
  for module in modules:
    kept = distinct.setdefault(module.name, [])
    for sentence in module.sentences:
      found = shingles(sentence)
      if seen.isdisjoint(found):
        kept.append(sentence)
      seen.update(found)
  return distinct


def build_task(modules: Sequence[Module], sizes: Sizes, seed: int) -> Task:
  """Builds the task and splits its sentences by module.

  Args:
    modules: the modules of all libraries.
    sizes: sizes of the splits. Each has equally many sentences of each label,
      or one more of one of them.
    seed: seed for choosing modules, sentences, labels and cuts.

  Raises:
    ValueError: there are too few sentences; the message names the split.
  """
  rng = random.Random(seed)
  distinct = dict(sorted(distinct_sentences(modules).items()))
  sentences_of = {
    name: [s for s in sentences if _has_good_length(s)]
    for name, sentences in distinct.items()
  }
  names = list(sentences_of)
  rng.shuffle(names)
  module_splits: dict[str, str] = {}
  drawn: dict[str, list[str]] = {}
  for split in ('test', 'dev', 'train'):
    count = getattr(sizes, split)
    left = [name for name in names if name not in module_splits]
    own = left if split == 'train' else _choose(left, sentences_of, count)
    module_splits |= dict.fromkeys(own, split)
    drawn[split] = [s for name in own for s in sentences_of[name]]
    rng.shuffle(drawn[split])
    if len(drawn[split]) < count:
      raise ValueError(
        f'{len(drawn[split])} distinct sentences for {split}, needs {count}'
      )
  drawn['transfer'] = drawn['train'][sizes.train :]
  splits = {
    split: _with_labels(sentences[: getattr(sizes, split)], rng)
    for split, sentences in drawn.items()
  }
  documents = [
    sentences
    for name, sentences in distinct.items()
    if module_splits[name] == 'train' and sentences
  ]
  return Task(splits, module_splits, documents)


def _has_good_length(sentence: str) -> bool:
  return MIN_WORDS <= len(sentence.split()) <= MAX_WORDS


def _choose(
  names: Sequence[str], sentences_of: Mapping[str, list[str]], count: int
) -> list[str]:
  """Returns the first modules that together have `count` sentences, or all."""
  chosen, found = [], 0
  for name in names:
    if found >= count:
      break
    chosen.append(name)
    found += len(sentences_of[name])
  return chosen


def _with_labels(sentences: Iterable[str], rng: random.Random) -> list[Pair]:
  """Gives every other sentence the same label; they are in random order."""
  return [
    (make_text(sentence, LABELS[i % 2], rng), LABELS[i % 2])
    for i, sentence in enumerate(sentences)
  ]


def _stable_hash(text: str) -> int:
  digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'little')
