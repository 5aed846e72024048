"""Makes a classification task: which library does this sentence come from?

Pure: modules in, sentences out. Names of libraries, of their modules and of
anything else that looks like code are replaced by `PLACEHOLDER`, so that the
task is about meaning. Sentences are split by module; of near-duplicates one is
kept, and none if two libraries share them.
"""

import collections
import dataclasses
import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tools.docstring_corpus import Module

# One word of the released vocabulary that prose does not use otherwise.
PLACEHOLDER = 'foo'

# How the libraries are called in prose, where that isn't a package's name.
LIBRARY_NAMES = frozenset(
  'tensorflow tf tf1 tf2 tfds tfmot tflite numpy np scipy sp sklearn scikit '
  'pandas pd keras matplotlib mpl pyplot plt pylab matlab google official '
  'scikit-learn ndarray ndarrays'.split()
)

# Words in a shingle. Two sentences that share eight words in a row, identifiers
# and numbers left out, say the same thing.
SHINGLE_WORDS = 8

# In dev and test: more from one module would make them few modules.
MAX_PER_MODULE = 20

# dotted.names, snake_case, CamelCase and calls().
_IDENTIFIER = re.compile(
  r'\b(?:\w+(?:\.\w+)+|\w*_\w*|[A-Za-z]+[a-z][A-Z]\w*|\w+\(\)|[a-z]+\d+)'
)
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

  `module_splits` tells for every module of the task's libraries whether it
  went to 'train' (D_L and the transfer set), 'dev' or 'test'.
  """

  labels: tuple[str, ...]
  splits: Mapping[str, list[tuple[str, str]]]
  module_splits: Mapping[str, str]


def name_pattern(names: Iterable[str]) -> re.Pattern[str]:
  """Returns a pattern for whole words, in any case, longest first."""
  ordered = sorted({name.lower() for name in names}, key=lambda n: (-len(n), n))
  return re.compile(
    r'\b(?:' + '|'.join(map(re.escape, ordered)) + r')\b', re.IGNORECASE
  )


def mask_names(sentence: str, names: re.Pattern[str]) -> str:
  """Replaces identifiers and names by `PLACEHOLDER`, runs of them by one."""
  sentence = _IDENTIFIER.sub(PLACEHOLDER, sentence)
  return _REPEATED.sub(PLACEHOLDER, names.sub(PLACEHOLDER, sentence))


def shingles(sentence: str) -> list[int]:
  """Returns what near-duplicates have in common, as hashes.

  Args:
    sentence: masked or not. Case, digits, punctuation and identifiers don't
      count.

  Returns:
    A 64-bit hash of each run of `SHINGLE_WORDS` words; of the whole where the
    sentence is shorter. The same in every process.
  """
  plain = _IDENTIFIER.sub(' ', sentence).lower()
  words = [word for word in _WORD.findall(plain) if word != PLACEHOLDER]
  runs = range(max(1, len(words) - SHINGLE_WORDS + 1))
  return [
    _stable_hash(' '.join(words[i : i + SHINGLE_WORDS])) for i in runs
  ]


def distinct_sentences(
  modules: Sequence[Module], names: re.Pattern[str]
) -> dict[str, list[str]]:
  """Masks sentences and leaves near-duplicates out.

  Returns:
    Module name → its masked sentences. Of sentences that share a shingle the
    first is kept; none, if they come from several libraries.
  """
  owners: dict[int, str] = {}
  shared = set()
  masked = [[mask_names(s, names) for s in m.sentences] for m in modules]
  for module, sentences in zip(modules, masked, strict=True):
    for shingle in _all_shingles(sentences):
      if owners.setdefault(shingle, module.library) != module.library:
        shared.add(shingle)
  seen = shared
  distinct = {}
  for module, sentences in zip(modules, masked, strict=True):
    kept = []
    for sentence in sentences:
      found = shingles(sentence)
      if seen.isdisjoint(found) and _says_something(sentence):
        kept.append(sentence)
      seen.update(found)
    distinct[module.name] = kept
  return distinct


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
  names: re.Pattern[str],
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
  return Task(labels, splits, module_splits)


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


def _all_shingles(sentences: Iterable[str]) -> Iterator[int]:
  for sentence in sentences:
    yield from shingles(sentence)


def _stable_hash(text: str) -> int:
  digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'little')
