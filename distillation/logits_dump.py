"""A teacher's logits on a transfer set, stored with the features.

logits-00000-of-000NN   records of `features.LOGITS_DUMP`, unpadded; with the
                        texts themselves where the dump keeps them
dev_logits.npy          the logits on the task's dev split, float32 [N, C]
manifest.json           written last: the teacher, vocabulary, labels, lengths
                        and counts, and what each shard looks like; a folder
                        without it is not a dump yet
"""

import dataclasses
import io
import os
import re
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf
from absl import logging

from data.records import (
  file_names,
  proto_features,
  record_index,
  record_reader,
  record_writer,
)
from data.records.feature_spec import (
  LOGITS_DUMP,
  LOGITS_DUMP_LABEL,
  LOGITS_DUMP_NUMBER,
  Field,
)
from data.records.record_source import RecordSource
from data.tasks.task import Task
from system import files
from system.errors import UserError

T = TypeVar('T')

_MANIFEST = 'manifest.json'
_DEV_LOGITS = 'dev_logits.npy'


@dataclasses.dataclass(frozen=True)
class Origin:
  """One of the dumps that a dump was merged from."""

  teacher: str  # The checkpoint's prefix.
  teacher_checksum: str
  teacher_scores: dict[str, float]  # On the task's dev split.
  num_held_out: int  # Sentences left out because dev or test has them.


@dataclasses.dataclass(frozen=True)
class Shard:
  """One file of a dump, by what tells whether it is still the same."""

  name: str
  num_examples: int
  num_bytes: int
  crc_of_ends: str


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What a dump was made from.

  What there is of one teacher only is empty where the dump was merged from
  those of several; `merged_from` has it of each.
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
  made_from: str = ''  # Of a dump made from others: what identifies them.
  merged_from: list[Origin] = dataclasses.field(default_factory=list)

  @property
  def origins(self) -> list[Origin]:
    """One for each teacher whose logits the dump holds, or their mean."""
    own = (getattr(self, field.name) for field in dataclasses.fields(Origin))
    return self.merged_from or [Origin(*own)]


class Row(NamedTuple):
  """One example of a dump."""

  example_id: str
  input_ids: np.ndarray  # int [(tokens)], with [CLS] and [SEP].
  segment_ids: np.ndarray  # int [(tokens)].
  teacher_logits: np.ndarray  # float32 [C].
  label: int | float | None = None
  text_a: str | None = None  # None where the dump keeps no text.
  text_b: str | None = None


@dataclasses.dataclass(frozen=True)
class Dump:
  """A whole dump."""

  folder: str
  manifest: Manifest

  @property
  def paths(self) -> list[str]:
    """The shards, in their order."""
    names = [shard.name for shard in self.manifest.shards]
    return [os.path.join(self.folder, name) for name in names]

  def check_shards(self) -> None:
    """Compares the shards with the manifest.

    Raises:
      UserError: one is missing, or is not what the dump was completed with.
    """
    for path, shard in zip(self.paths, self.manifest.shards, strict=True):
      files.require_file(path, 'a shard of the dump')
      found = describe_shard(path)
      if found != shard:
        raise UserError(
          f'{path} is not what {_MANIFEST} says: it has '
          f'{_summary(found)}, expected are {_summary(shard)}. It was changed '
          'after the dump was completed; the dump must be made again.'
        )

  def rows(self) -> Iterator[Row]:
    """Yields every example, in the order of the transfer set."""
    for path in self.paths:
      yield from read_shard(path)

  def source(
    self, task: Task, max_seq_length: int, with_labels: bool = False
  ) -> RecordSource:
    """Returns the records for training.

    Args:
      task: whose logits they are.
      max_seq_length: S, at least the dump's.
      with_labels: whether to read `label_ids` too; -1, or NaN for regression,
        stands where there is none.

    Raises:
      UserError: a shard's first record does not fit.
    """
    source = RecordSource(
      tuple(self.paths),
      record_fields(task, with_labels),
      {'S': max_seq_length, 'C': task.num_outputs},
      self.manifest.vocab_size,
    )
    source.check()
    return source


def record_fields(task: Task, with_labels: bool = False) -> tuple[Field, ...]:
  """Returns the fields of a dump's records that training reads."""
  if not with_labels:
    return LOGITS_DUMP
  label = LOGITS_DUMP_NUMBER if task.is_regression else LOGITS_DUMP_LABEL
  return (*LOGITS_DUMP, label)


def shard_paths(dump_dir: str, num_shards: int) -> list[str]:
  """Returns the paths of a dump's shards."""
  return file_names.shard_names(os.path.join(dump_dir, 'logits'), num_shards)


def is_begun(dump_dir: str) -> bool:
  """Whether the folder holds a part of a dump, of however many shards."""
  return files.is_folder(dump_dir) and any(
    name.startswith('logits-') or name == _DEV_LOGITS
    for name in files.list_folder(dump_dir)
  )


def is_whole(dump_dir: str) -> bool:
  """Whether the folder holds a dump that was completed."""
  return files.exists(os.path.join(dump_dir, _MANIFEST))


def write_shard(path: str, rows: Iterable[Row], is_regression: bool) -> None:
  """Writes one shard.

  Args:
    path: the shard's.
    rows: its examples.
    is_regression: whether labels are numbers; NaN then stands for none, and -1
      where they are classes.
  """
  with record_writer.RecordWriter(path) as writer:
    for row in rows:
      features = {
        'input_ids': proto_features.int64_feature(row.input_ids),
        'segment_ids': proto_features.int64_feature(row.segment_ids),
        'teacher_logits': proto_features.float_feature(
          row.teacher_logits.tolist()
        ),
        'example_id': proto_features.bytes_feature(row.example_id.encode()),
        'label_ids': _label_feature(row.label, is_regression),
      }
      for name in ('text_a', 'text_b'):
        if (text := getattr(row, name)) is not None:
          features[name] = proto_features.bytes_feature(text.encode())
      example = tf.train.Example(features=tf.train.Features(feature=features))
      writer.write(example.SerializeToString(deterministic=True))


def _label_feature(label, is_regression: bool) -> tf.train.Feature:
  if is_regression:
    return proto_features.float_feature([np.nan if label is None else label])
  return proto_features.int64_feature([-1 if label is None else label])


def read_shard(path: str) -> Iterator[Row]:
  """Yields the examples of one shard.

  Raises:
    UserError: a record is damaged.
  """
  for raw in record_reader.read(path):
    features = tf.train.Example.FromString(raw).features.feature

    def text(name, features=features):
      value = features[name].bytes_list.value if name in features else None
      return value[0].decode() if value else None

    yield Row(
      text('example_id'),
      np.array(features['input_ids'].int64_list.value),
      np.array(features['segment_ids'].int64_list.value),
      np.array(features['teacher_logits'].float_list.value, np.float32),
      _label(features['label_ids']),
      text('text_a'),
      text('text_b'),
    )


def _label(feature: tf.train.Feature) -> int | float | None:
  for value in feature.int64_list.value:
    return value if value >= 0 else None
  for value in feature.float_list.value:
    return None if np.isnan(value) else value
  return None


def describe_shard(path: str) -> Shard:
  """Returns what a manifest says of a shard."""
  return Shard(
    os.path.basename(path),
    record_index.load_index(path).num_records,
    files.size(path),
    files.crc_of_ends(path),
  )


def _summary(shard: Shard) -> str:
  return (
    f'{shard.num_examples} examples in {shard.num_bytes} bytes, CRC-32 of the '
    f'ends {shard.crc_of_ends}'
  )


def cut(values: tf.RaggedTensor) -> list[np.ndarray]:
  """Returns the rows of a RaggedTensor [N, (tokens)]."""
  flat, splits = values.flat_values.numpy(), values.row_splits.numpy()
  return np.split(flat, splits[1:-1])


def write_dev_logits(dump_dir: str, logits: np.ndarray) -> None:
  """Writes the logits on the dev split, float32 [N, C]."""
  with files.open_write(os.path.join(dump_dir, _DEV_LOGITS), 'wb') as file:
    content = io.BytesIO()
    np.save(content, logits)
    file.write(content.getvalue())


def read_dev_logits(dump_dir: str) -> np.ndarray | None:
  """Reads the logits on the dev split, float32 [N, C].

  None without any, and where the file is damaged, which is logged: whoever has
  the teacher can score again.
  """
  path = os.path.join(dump_dir, _DEV_LOGITS)
  if not files.exists(path):
    return None
  with files.open_read(path, 'rb') as file:
    content = io.BytesIO(file.read())
  try:
    return np.lib.format.read_array(content, allow_pickle=False)
  except ValueError as error:
    logging.warning('%s is damaged and is not used: %s', path, error)
    return None


def write_manifest(dump_dir: str, manifest: Manifest) -> None:
  """Completes a dump."""
  path = os.path.join(dump_dir, _MANIFEST)
  files.write_json(path, dataclasses.asdict(manifest))


def remove_manifest(dump_dir: str) -> None:
  """Makes a dump unfinished, before its shards are written anew."""
  files.remove(os.path.join(dump_dir, _MANIFEST))


def read_manifest(dump_dir: str) -> Manifest:
  """Reads a dump's manifest.

  Raises:
    UserError: there is no whole dump in the folder; or the manifest, which may
      come from elsewhere, says what none can say.
  """
  path = os.path.join(dump_dir, _MANIFEST)
  if not files.exists(path):
    raise UserError(
      f'there is no whole dump in {dump_dir!r}: it has no {_MANIFEST}, which '
      'run_distillation.py --do_dump_logits writes last'
    )
  values: Any = files.read_json(path)
  try:
    manifest = _checked(Manifest(**values))
    return dataclasses.replace(
      manifest,
      shards=[_checked_shard(Shard(**shard)) for shard in manifest.shards],
      merged_from=[_checked(Origin(**x)) for x in manifest.merged_from],
    )
  except TypeError as error:
    raise UserError(f'{path} is no manifest of a dump: {error}') from error


def _checked(values: T) -> T:
  """Returns a dataclass whose values are of the types of their fields."""
  for field in dataclasses.fields(values):
    value = getattr(values, field.name)
    kind = typing.get_origin(field.type) or field.type
    if not isinstance(value, field.type if kind is types.UnionType else kind):
      raise TypeError(f'{field.name} is {value!r}')
  return values


def _checked_shard(shard: Shard) -> Shard:
  # A merged dump's shards are written under the names of its sources'.
  if not re.fullmatch(r'logits-\d{5}-of-\d{5}', _checked(shard).name):
    raise TypeError(f'{shard.name!r} is no name of a shard')
  return shard


def open_dumps(dump_dirs: Iterable[str], task: Task) -> list[Dump]:
  """Opens the dumps of one or several teachers of a task.

  Raises:
    UserError: a dump is not whole, was changed, was made for another task or
      label order, or has another number of examples than the first; or two are
      the same, or of the same teacher. Says which.
  """
  dumps = [Dump(folder, read_manifest(folder)) for folder in dump_dirs]
  _check_teachers_differ(dumps)
  for dump in dumps:
    theirs = dump.manifest
    expected = {
      'task': (theirs.task, task.name),
      'labels': (theirs.labels, list(task.labels)),
    }
    for name, (found, wanted) in expected.items():
      if found != wanted:
        raise UserError(
          f'the dump in {dump.folder} does not fit: {name} is {found!r} in '
          f'the dump, {wanted!r} for the student'
        )
    if theirs.num_examples != dumps[0].manifest.num_examples:
      raise UserError(
        f'the dumps differ: {dumps[0].folder} has '
        f'{dumps[0].manifest.num_examples} examples, {dump.folder} has '
        f'{theirs.num_examples}'
      )
    dump.check_shards()
  return dumps


def _check_teachers_differ(dumps: Iterable[Dump]) -> None:
  """Refuses what would make the word of one teacher count twice."""
  folders: set[str] = set()
  dump_of: dict[str, str] = {}
  for dump in dumps:
    folder = files.real_path(dump.folder)
    if folder in folders:
      raise UserError(f'--logits_dir names the dump {folder} twice')
    folders.add(folder)
    for origin in dump.manifest.origins:
      other = dump_of.setdefault(origin.teacher_checksum, dump.folder)
      if other != dump.folder:
        raise UserError(
          f'the dumps in {other} and {dump.folder} are of the same teacher, '
          f'{origin.teacher} (by its checksum): expected as many teachers as '
          'dumps'
        )
