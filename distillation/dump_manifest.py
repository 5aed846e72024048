"""A logits dump's manifest: its teacher, vocabulary, labels and shards.

It is written last, so a folder without it holds no complete dump.

Tested by `tests/distillation/logits_dump_test.py`.
"""

import dataclasses
import math
import os
import re
import types
import typing
from typing import Any, TypeVar

from system import files
from system.errors import UserError, shown

_T = TypeVar('_T')

FILE_NAME = 'manifest.json'
# How the checksum of a teacher begins whose scores were imported: what follows
# is its name, or the SHA-256 of its scores.
NAMED, SCORES = 'name:', 'scores:'


@dataclasses.dataclass(frozen=True)
class Origin:
  """A teacher whose dump went into a merged dump."""

  teacher: str  # The checkpoint's prefix, or a name.
  teacher_checksum: str
  teacher_scores: dict[str, float]  # On the task's dev split.
  num_held_out: int  # Texts left out because dev or test contains them.

  def describe(self) -> str:
    """Says what the teacher is, without paths of this machine."""
    for start, what in ((NAMED, 'of'), (SCORES, 'with the SHA-256')):
      if self.teacher_checksum.startswith(start):
        identity = self.teacher_checksum.removeprefix(start)
        return f'imported scores {what} `{identity}`'
    return f'weights with the SHA-256 `{self.teacher_checksum}`'


@dataclasses.dataclass(frozen=True)
class Shard:
  """One file of a dump, with properties that show whether it changed."""

  name: str
  num_examples: int
  num_bytes: int
  crc_of_ends: str


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What a dump was made from, and its shards.

  Single-teacher fields are empty in merged dumps; `merged_from` lists the
  teachers.
  """

  task: str
  labels: list[str]  # In the order of the logits; empty for regression.
  teacher: str  # As in `Origin`.
  teacher_checksum: str
  teacher_scores: dict[str, float]
  vocabulary: str  # The token list's checksum.
  vocab_size: int
  do_lower_case: bool
  max_seq_length: int
  num_examples: int
  num_held_out: int | None
  shards: list[Shard]
  num_labelled: int = 0  # Examples whose label is known and stored.
  keeps_text: bool = False
  dev_split: str = ''  # The checksum of the examples of `dev_logits.npy`.
  made_from: str = ''  # In a student's own dump: a hash of its sources.
  merged_from: list[Origin] = dataclasses.field(default_factory=list)
  temperature: float = 1.0  # At which the probabilities were averaged.
  # The teacher's layers, from 1, whose [CLS] states are stored, and their size.
  cls_layers: list[int] = dataclasses.field(default_factory=list)
  cls_size: int = 0

  @property
  def num_state_values(self) -> int:
    """The number of values of an example's [CLS] states; 0 without states."""
    return len(self.cls_layers) * self.cls_size

  @property
  def origins(self) -> list[Origin]:
    """The teachers of the dump's logits, several if they are a mean."""
    own = (getattr(self, field.name) for field in dataclasses.fields(Origin))
    return self.merged_from or [Origin(*own)]


def fingerprint(manifest: Manifest) -> list[list[str | int]]:
  """Returns what `run.json` records of a dump: each shard's name, size, CRC."""
  return [[x.name, x.num_bytes, x.crc_of_ends] for x in manifest.shards]


def exists(dump_dir: str) -> bool:
  """Returns whether the folder holds a complete dump."""
  return files.exists(os.path.join(dump_dir, FILE_NAME))


def write(dump_dir: str, manifest: Manifest) -> None:
  """Writes the manifest, which completes a dump.

  Scores that are undefined, such as the AUC of a single label, are left out.
  """
  path = os.path.join(dump_dir, FILE_NAME)
  values = dataclasses.asdict(manifest)
  values['teacher_scores'] = {
    name: score
    for name, score in manifest.teacher_scores.items()
    if math.isfinite(score)
  }
  if not manifest.cls_layers:
    del values['cls_layers'], values['cls_size']
  if not manifest.merged_from:
    del values['temperature']
  files.write_json(path, values)


def remove(dump_dir: str) -> None:
  """Makes a dump incomplete, before its shards are written again."""
  files.remove(os.path.join(dump_dir, FILE_NAME))


def read(dump_dir: str) -> Manifest:
  """Reads a dump's manifest.

  Raises:
    UserError: the folder holds no complete dump; or the manifest, which may
      come from an untrusted source, has invalid values or contradicts itself.
  """
  path = os.path.join(dump_dir, FILE_NAME)
  if not files.exists(path):
    raise UserError(
      f'there is no complete dump in {dump_dir!r}: it has no {FILE_NAME}, '
      'which run_distillation.py with `do_dump_logits` writes last'
    )
  values: Any = files.read_json(path)
  try:
    manifest = _checked(Manifest(**values))
    manifest = dataclasses.replace(
      manifest,
      shards=[_checked_shard(Shard(**shard)) for shard in manifest.shards],
      merged_from=[_checked(Origin(**x)) for x in manifest.merged_from],
    )
    for teacher in (manifest, *manifest.merged_from):
      _check_scores(teacher.teacher_scores)
    _check_counts(manifest)
    _check_states(manifest)
  except (TypeError, ValueError) as error:
    raise UserError(f"{path} is not a dump's manifest: {error}") from error
  return manifest


def _checked(values: _T) -> _T:
  """Returns a dataclass; raises a `TypeError` if a value has another type."""
  for field in dataclasses.fields(values):
    value = getattr(values, field.name)
    kind = typing.get_origin(field.type) or field.type
    is_truth = isinstance(value, bool) and kind is not bool
    if is_truth or not isinstance(
      value, field.type if kind is types.UnionType else kind
    ):
      raise TypeError(f'{field.name} is {shown(value)}')
  return values


def _check_scores(scores: dict[str, float]) -> None:
  for name, score in scores.items():
    if isinstance(score, bool) or not isinstance(score, (int, float)):
      raise TypeError(f'teacher_scores has {shown(name)}: {shown(score)}')


def _checked_shard(shard: Shard) -> Shard:
  # A merged dump's shards are written under the names in its source, which
  # must not lead out of the folder.
  if not re.fullmatch(r'logits-\d{5}-of-\d{5}', _checked(shard).name):
    raise TypeError(f'{shown(shard.name)} is not the name of a shard')
  return shard


def _check_counts(manifest: Manifest) -> None:
  """Raises a `ValueError` if counts are impossible or differ."""
  if not manifest.shards:
    raise ValueError('it names no shard')
  names = [shard.name for shard in manifest.shards]
  if len(set(names)) < len(names):
    raise ValueError('it names a shard twice')
  counts = [shard.num_examples for shard in manifest.shards]
  if min(counts) < 1 or sum(counts) != manifest.num_examples:
    raise ValueError(
      f'num_examples is {shown(manifest.num_examples)}, its shards have '
      f'{shown(sum(counts))}, expected the same number'
    )
  held_out = [x.num_held_out for x in (manifest, *manifest.merged_from)]
  for name, value, low, high in (
    ('num_labelled', manifest.num_labelled, 0, manifest.num_examples),
    ('vocab_size', manifest.vocab_size, 1, math.inf),
    ('max_seq_length', manifest.max_seq_length, 1, math.inf),
    *(('num_held_out', x, 0, math.inf) for x in held_out if x is not None),
  ):
    if not low <= value <= high:
      raise ValueError(f'{name} is {shown(value)}')
  labels = manifest.labels
  if not all(isinstance(x, str) for x in labels) or (
    len(set(labels)) < len(labels)
  ):
    raise ValueError(f'labels is {shown(labels)}')


def _check_states(manifest: Manifest) -> None:
  """Raises a `ValueError` if the [CLS] states' layers or size are invalid."""
  layers, size = manifest.cls_layers, manifest.cls_size
  are_numbers = all(type(x) is int and x >= 1 for x in layers)
  if not are_numbers or sorted(set(layers)) != layers:
    raise ValueError(f'cls_layers is {shown(layers)}')
  if (size > 0) != bool(layers) or size < 0:
    raise ValueError(f'cls_size is {shown(size)}')
