"""Builds a classification task: which library does a sentence come from?

`PLACEHOLDER` replaces the names of libraries and modules, and anything else
that looks like code, so that the task depends on meaning. All sentences of a
module go to the same split. Of several near-duplicates one is kept, or none if
different libraries share them.
"""

import collections
import dataclasses
import hashlib
import itertools
import random
import re
from collections.abc import Iterable, Mapping, Sequence

from tools.docstring_corpus import Module

# A token of the released vocabulary that is rare in prose.
PLACEHOLDER = 'foo'

# Names that prose gives to libraries but that are not package names, and the
# one class name that is not in CamelCase.
LIBRARY_NAMES = frozenset(
  ['tf', 'tfds', 'tfmot', 'tflite', 'np', 'pd', 'sp', 'plt', 'mpl']
  + ['scikit', 'scikit-learn', 'ndarray', 'ndarrays']
)

# Words in a shingle. Two sentences that share eight consecutive words, apart
# from identifiers and numbers, count as near-duplicates.
SHINGLE_WORDS = 8

# Sentences per module in dev and test, so that these draw on many modules.
MAX_PER_MODULE = 20

# Words, dotted.names, hyphen-ated words and calls().
_TOKEN = re.compile(r'\w+(?:[.-]\w+)*(?:\(\))?')
# dotted.names, snake_case, CamelCase, calls() and names with digits.
_IDENTIFIER = re.compile(
  r'[A-Za-z]\w*(?:\.\w+)+|.*(?:_|[a-z][A-Z]|\(\)|[A-Za-z]\d)'
)
_LATIN = frozenset(['e.g', 'i.e', 'a.k.a', 'w.r.t'])
_REPEATED = re.compile(rf'\b{PLACEHOLDER}(?:[\s.-]+{PLACEHOLDER}\b)+')
_WORD = re.compile(r'[a-z]+')
_MIN_UNMASKED_WORDS = 5


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
    labels: the libraries, sorted.
    names: the names that were masked.
    splits: split → its (sentence, label) pairs.
    module_splits: module of the task's libraries → 'train' (D_L and the
      transfer set), 'dev' or 'test'.
  """

  labels: tuple[str, ...]
  names: frozenset[str]
  splits: Mapping[str, list[tuple[str, str]]]
  module_splits: Mapping[str, str]


def mask_names(sentence: str, names: frozenset[str]) -> str:
  """Replaces identifiers and names by `PLACEHOLDER`, adjacent ones by one.

  Args:
    sentence: plain text.
    names: lower-case names. They match whole words and parts of hyphenated
      words, regardless of case.
  """

  def mask(match: re.Match[str]) -> str:
    token = match[0]
    plain = token.lower()
    if plain in names or (_IDENTIFIER.match(token) and plain not in _LATIN):
      return PLACEHOLDER
    if '-' not in token:
      return token
    parts = token.split('-')
    return '-'.join(PLACEHOLDER if p.lower() in names else p for p in parts)

  return _REPEATED.sub(PLACEHOLDER, _TOKEN.sub(mask, sentence))


def shingles(masked_sentence: str) -> list[int]:
  """Returns hashes of word n-grams, of which near-duplicates share one.

  Args:
    masked_sentence: a sentence from `mask_names`. Case, digits, punctuation and
      placeholders are ignored.

  Returns:
    A 64-bit hash of each sequence of `SHINGLE_WORDS` words, or of the whole
    sentence if it is shorter. Every process computes the same hashes.
  """
  words = _WORD.findall(masked_sentence.lower())
  words = [word for word in words if word != PLACEHOLDER]
  starts = range(max(1, len(words) - SHINGLE_WORDS + 1))
  return [_stable_hash(' '.join(words[i : i + SHINGLE_WORDS])) for i in starts]


def distinct_sentences(
  modules: Sequence[Module], names: frozenset[str]
) -> dict[str, list[str]]:
  """Masks sentences and drops near-duplicates.

  Returns:
    Module name → its masked sentences. Of several sentences with a common
    shingle the first is kept, or none if different libraries share it.
  """
  masked = [
    [(text, shingles(text)) for text in _masked_sentences(module, names)]
    for module in modules
  ]
  owners: dict[int, str] = {}
  seen = set()
  for module, pairs in zip(modules, masked, strict=True):
    for shingle in itertools.chain.from_iterable(found for _, found in pairs):
      if owners.setdefault(shingle, module.library) != module.library:
        seen.add(shingle)
  distinct = {}
  for module, pairs in zip(modules, masked, strict=True):
    distinct[module.name] = []
    for text, found in pairs:
      if seen.isdisjoint(found) and _is_informative(text):
        distinct[module.name].append(text)
      seen.update(found)
  return distinct


def _masked_sentences(module: Module, names: frozenset[str]) -> list[str]:
  """Returns a module's distinct masked sentences, in order."""
  masked = (mask_names(sentence, names) for sentence in module.sentences)
  return list(dict.fromkeys(masked))


def largest_libraries(modules: Iterable[Module], count: int) -> tuple[str, ...]:
  """Returns the libraries with the most distinct sentences, sorted by name."""
  sentences = collections.defaultdict(set)
  for module in modules:
    sentences[module.library].update(module.sentences)
  ranked = sorted(sentences, key=lambda name: (-len(sentences[name]), name))
  return tuple(sorted(ranked[:count]))


def build_task(
  modules: Sequence[Module],
  labels: tuple[str, ...],
  names: frozenset[str],
  sizes: Sizes,
  seed: int,
) -> Task:
  """Builds the task and splits its sentences by module.

  Args:
    modules: the modules of any libraries; only those of `labels` are used.
    labels: the libraries.
    names: the names that `mask_names` replaces.
    sizes: sizes of the splits. train, dev and test have equally many sentences
      of each label; the transfer set gets the other sentences of the training
      modules.
    seed: seed for choosing modules and sentences.

  Raises:
    ValueError: a library has too few sentences; the message names it.
  """
  modules = [module for module in modules if module.library in labels]
  distinct = distinct_sentences(modules, names)
  rng = random.Random(seed)
  splits = {split: [] for split in ('train', 'dev', 'test', 'transfer')}
  module_splits = {}
  for label in labels:
    remaining = sorted(m.name for m in modules if m.library == label)
    rng.shuffle(remaining)
    for split in ('test', 'dev'):
      count = getattr(sizes, split) // len(labels)
      chosen = _choose_modules(remaining, distinct, count, rng)
      module_splits.update({name: split for name, _ in chosen})
      remaining = [name for name in remaining if name not in module_splits]
      pairs = [(s, label) for _, sentences in chosen for s in sentences]
      splits[split] += _first(pairs, count, label, split)
    module_splits.update(dict.fromkeys(remaining, 'train'))
    pairs = [(s, label) for name in remaining for s in distinct[name]]
    rng.shuffle(pairs)
    count = sizes.train // len(labels)
    splits['train'] += _first(pairs, count, label, 'train')
    splits['transfer'] += pairs[count:]
  for pairs in splits.values():
    rng.shuffle(pairs)
  del splits['transfer'][sizes.transfer :]
  return Task(labels, names, splits, module_splits)


def _choose_modules(
  names: Sequence[str],
  distinct: Mapping[str, list[str]],
  count: int,
  rng: random.Random,
) -> list[tuple[str, list[str]]]:
  """Chooses the first modules that together have `count` sentences, or all.

  Returns:
    (name, sentences) of each module, at most `MAX_PER_MODULE` sentences each.
  """
  chosen, num_missing = [], count
  for name in names:
    if num_missing <= 0:
      break
    sentences = distinct[name]
    sample = rng.sample(sentences, min(len(sentences), MAX_PER_MODULE))
    chosen.append((name, sample[:num_missing]))
    num_missing -= len(chosen[-1][1])
  return chosen


def _first(
  pairs: list[tuple[str, str]], count: int, label: str, split: str
) -> list[tuple[str, str]]:
  """Returns the first `count` pairs.

  Raises:
    ValueError: there are fewer.
  """
  if len(pairs) < count:
    raise ValueError(
      f'{label} has {len(pairs)} distinct sentences for {split}, needs {count}'
    )
  return pairs[:count]


def _is_informative(sentence: str) -> bool:
  """Returns whether enough words of a sentence are not masked."""
  words = [word for word in sentence.split() if PLACEHOLDER not in word]
  return len(words) >= _MIN_UNMASKED_WORDS


def _stable_hash(text: str) -> int:
  digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'little')
