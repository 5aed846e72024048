"""A teacher's logits on a transfer set, stored with the features.

logits-00000-of-000NN   records of `features.LOGITS_DUMP`, unpadded; with the
                        texts themselves where the dump keeps them
dev_logits.npy          the logits on the task's dev split, float32 [N, C]
manifest.json           written last: the teacher, vocabulary, labels, lengths
                        and counts; a folder without it is not a dump yet
"""

import dataclasses
import io
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from data import files, records
from data.errors import UserError
from data.features import LOGITS_DUMP, Field
from data.record_source import RecordSource
from data.task import Task

_MANIFEST = 'manifest.json'
_DEV_LOGITS = 'dev_logits.npy'


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What a dump was made from."""

  task: str
  labels: list[str]  # In the order of the logits; empty for regression.
  teacher: str  # The checkpoint's prefix.
  teacher_checksum: str
  teacher_scores: dict[str, float]  # On the task's dev split.
  vocabulary: str  # The token list's checksum.
  vocab_size: int
  do_lower_case: bool
  max_seq_length: int
  num_examples: int
  num_held_out: int  # Sentences left out because dev or test has them.
  shards: list[str]
  num_labelled: int = 0  # Examples whose label is known and stored.
  keeps_text: bool = False
  dev_split: str = ''  # The checksum of the examples of `dev_logits.npy`.
  made_from: str = ''  # Of a dump merged from others: what identifies them.


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
    return [os.path.join(self.folder, x) for x in self.manifest.shards]

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
      UserError: a shard is missing, or its first record does not fit.
    """
    for path in self.paths:
      files.require_file(path, 'a shard of the dump')
    label = Field('label_ids', 'float32' if task.is_regression else 'int64', 1)
    source = RecordSource(
      tuple(self.paths),
      (*LOGITS_DUMP, label) if with_labels else LOGITS_DUMP,
      {'S': max_seq_length, 'C': task.num_outputs},
      self.manifest.vocab_size,
    )
    source.check()
    return source


def shard_paths(dump_dir: str, num_shards: int) -> list[str]:
  """Returns the paths of a dump's shards."""
  return records.shard_names(os.path.join(dump_dir, 'logits'), num_shards)


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
  with records.RecordWriter(path) as writer:
    for row in rows:
      features = {
        'input_ids': records.int64_feature(row.input_ids),
        'segment_ids': records.int64_feature(row.segment_ids),
        'teacher_logits': records.float_feature(row.teacher_logits.tolist()),
        'example_id': records.bytes_feature(row.example_id.encode()),
        'label_ids': _label_feature(row.label, is_regression),
      }
      for name in ('text_a', 'text_b'):
        if (text := getattr(row, name)) is not None:
          features[name] = records.bytes_feature(text.encode())
      example = tf.train.Example(features=tf.train.Features(feature=features))
      writer.write(example.SerializeToString(deterministic=True))


def _label_feature(label, is_regression: bool) -> tf.train.Feature:
  if is_regression:
    return records.float_feature([np.nan if label is None else label])
  return records.int64_feature([-1 if label is None else label])


def read_shard(path: str) -> Iterator[Row]:
  """Yields the examples of one shard.

  Raises:
    UserError: a record is damaged.
  """
  for raw in records.read(path):
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


def count(path: str) -> int:
  """Returns the number of a shard's examples."""
  return records.load_index(path).num_records


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
  """Reads the logits on the dev split, float32 [N, C]; None without any."""
  path = os.path.join(dump_dir, _DEV_LOGITS)
  if not files.exists(path):
    return None
  with files.open_read(path, 'rb') as file:
    return np.load(io.BytesIO(file.read()))


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
    UserError: there is no whole dump in the folder.
  """
  path = os.path.join(dump_dir, _MANIFEST)
  if not files.exists(path):
    raise UserError(
      f'there is no whole dump in {dump_dir!r}: it has no {_MANIFEST}, which '
      'run_distillation.py --do_dump_logits writes last'
    )
  values: Any = files.read_json(path)
  try:
    return Manifest(**values)
  except TypeError as error:
    raise UserError(f'{path} is no manifest of a dump: {error}') from error


def open_dumps(dump_dirs: Iterable[str], task: Task) -> list[Dump]:
  """Opens the dumps of one or several teachers of a task.

  Raises:
    UserError: a dump is not whole, was made for another task or label order,
      or has another number of examples than the first; says which.
  """
  dumps = [Dump(folder, read_manifest(folder)) for folder in dump_dirs]
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
  return dumps
