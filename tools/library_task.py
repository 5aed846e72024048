"""Makes a classification task: which library does this sentence come from?

Pure: modules in, sentences out. Names of libraries, of their modules and of
anything else that looks like code are replaced by `PLACEHOLDER`, so that the
task is about meaning. Sentences are split by module; of near-duplicates one is
kept, and none if two libraries share them.
"""

import collections
import dataclasses
import hashlib
import itertools
import random
import re
from collections.abc import Iterable, Mapping, Sequence

from tools.docstring_corpus import Module

# One word of the released vocabulary that prose does not use otherwise.
PLACEHOLDER = 'foo'

# How the libraries are called in prose, where that is no package's name, and
# the one class name that is not written in CamelCase.
LIBRARY_NAMES = frozenset(
  ['tf', 'tfds', 'tfmot', 'tflite', 'np', 'pd', 'sp', 'plt', 'mpl']
  + ['scikit', 'scikit-learn', 'ndarray', 'ndarrays']
)

# Words in a shingle. Two sentences that share eight words in a row, identifiers
# and numbers left out, say the same thing.
SHINGLE_WORDS = 8

# In dev and test: more from one module would make them few modules.
MAX_PER_MODULE = 20

# A word with what hangs on to it: dotted.names, hyphen-ated words, calls().
_TOKEN = re.compile(r'\w+(?:[.-]\w+)*(?:\(\))?')
# dotted.names, snake_case, CamelCase, calls() and names with digits.
_IDENTIFIER = re.compile(
  r'[A-Za-z]\w*(?:\.\w+)+|.*(?:_|[a-z][A-Z]|\(\)|[A-Za-z]\d)'
)
_LATIN = frozenset(['e.g', 'i.e', 'a.k.a', 'w.r.t'])
_REPEATED = re.compile(rf'\b{PLACEHOLDER}(?:[\s.-]+{PLACEHOLDER}\b)+')
_WORD = re.compile(r'[a-z]+')
_MIN_OWN_WORDS = 5


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Numbers of sentences: of D_L, dev and test in all, at most in D_T."""

  train: int
  dev: int
  test: int
  transfer: int


@dataclasses.dataclass(frozen=True)
class Task:
  """The sentences of each split as (sentence, label), and the modules.

  `names` are those that were masked.
  `module_splits` tells for every module of the task's libraries whether it
  went to 'train' (D_L and the transfer set), 'dev' or 'test'.
  """

  labels: tuple[str, ...]
  names: frozenset[str]
  splits: Mapping[str, list[tuple[str, str]]]
  module_splits: Mapping[str, str]


def mask_names(sentence: str, names: frozenset[str]) -> str:
  """Replaces identifiers and names by `PLACEHOLDER`, runs of them by one.

  Args:
    sentence: plain text.
    names: in lower case; whole words, and parts of hyphenated ones, are
      compared in any case.
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
  """Returns what near-duplicates have in common, as hashes.

  Args:
    masked_sentence: case, digits, punctuation and placeholders don't count.

  Returns:
    A 64-bit hash of each run of `SHINGLE_WORDS` words; of the whole where the
    sentence is shorter. The same in every process.
  """
  words = _WORD.findall(masked_sentence.lower())
  words = [word for word in words if word != PLACEHOLDER]
  runs = range(max(1, len(words) - SHINGLE_WORDS + 1))
  return [_stable_hash(' '.join(words[i : i + SHINGLE_WORDS])) for i in runs]


def distinct_sentences(
  modules: Sequence[Module], names: frozenset[str]
) -> dict[str, list[str]]:
  """Masks sentences and leaves near-duplicates out.

  Returns:
    Module name → its masked sentences. Of sentences that share a shingle the
    first is kept; none, if they come from several libraries.
  """
  masked = [
    [(text, shingles(text)) for text in _masked_once(module, names)]
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
      if seen.isdisjoint(found) and _says_something(text):
        distinct[module.name].append(text)
      seen.update(found)
  return distinct


def _masked_once(module: Module, names: frozenset[str]) -> list[str]:
  masked = (mask_names(sentence, names) for sentence in module.sentences)
  return list(dict.fromkeys(masked))


def largest_libraries(modules: Iterable[Module], count: int) -> tuple[str, ...]:
  """Returns the libraries with the most different sentences, sorted."""
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
  """Splits the sentences of some libraries by module.

  Args:
    modules: of any library; those of `labels` are used.
    labels: the libraries.
    names: what `mask_names` replaces.
    sizes: of the splits. train, dev and test have as many sentences of each
      label; what remains of the training modules is the transfer set.
    seed: of the choice of modules and sentences.

  Raises:
    ValueError: a library has too few sentences; it is named.
  """
  modules = [module for module in modules if module.library in labels]
  distinct = distinct_sentences(modules, names)
  chance = random.Random(seed)
  splits = {split: [] for split in ('train', 'dev', 'test', 'transfer')}
  module_splits = {}
  for label in labels:
    own = sorted(m.name for m in modules if m.library == label)
    chance.shuffle(own)
    for split in ('test', 'dev'):
      wanted = getattr(sizes, split) // len(labels)
      taken = _take(own, distinct, wanted, chance)
      module_splits.update({name: split for name, _ in taken})
      own = [name for name in own if name not in module_splits]
      chosen = [(s, label) for _, sentences in taken for s in sentences]
      splits[split] += _require(chosen, wanted, label, split)
    module_splits.update(dict.fromkeys(own, 'train'))
    rest = [(s, label) for name in own for s in distinct[name]]
    chance.shuffle(rest)
    wanted = sizes.train // len(labels)
    splits['train'] += _require(rest, wanted, label, 'train')
    splits['transfer'] += rest[wanted:]
  for pairs in splits.values():
    chance.shuffle(pairs)
  del splits['transfer'][sizes.transfer :]
  return Task(labels, names, splits, module_splits)


def _take(own, distinct, wanted, chance) -> list[tuple[str, list[str]]]:
  """Takes modules, in order, until they give the sentences wanted."""
  taken, count = [], 0
  for name in own:
    if count >= wanted:
      break
    sentences = distinct[name]
    few = chance.sample(sentences, min(len(sentences), MAX_PER_MODULE))
    taken.append((name, few[: wanted - count]))
    count += len(taken[-1][1])
  return taken


def _require(pairs, wanted: int, label: str, split: str):
  if len(pairs) < wanted:
    raise ValueError(
      f'{label} has {len(pairs)} distinct sentences for {split}, '
      f'{wanted} are wanted'
    )
  return pairs[:wanted]


def _says_something(sentence: str) -> bool:
  words = [word for word in sentence.split() if PLACEHOLDER not in word]
  return len(words) >= _MIN_OWN_WORDS


def _stable_hash(text: str) -> int:
  digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'little')
