"""A logits dump: a teacher's logits on a transfer set, with the features.

logits-00000-of-000NN   the examples and their logits, see `dump_shards`
dev_logits.npy          the logits on the task's dev split, float32 [N, C]
manifest.json           what the dump was made from, see `dump_manifest`
"""

import dataclasses
import io
import os
from collections.abc import Iterable, Iterator

import numpy as np
from absl import logging

from data.records.record_source import RecordSource
from data.tasks.task import Task
from distillation import dump_manifest, dump_shards
from distillation.dump_manifest import Manifest, Shard
from distillation.dump_shards import Row
from system import files
from system.errors import UserError

DEV_LOGITS = 'dev_logits.npy'


@dataclasses.dataclass(frozen=True)
class Dump:
  """A complete dump.

  Attributes:
    folder: where it is.
    manifest: what it says of itself; its labels are in the task's order.
    order: the number of each of these labels in the shards and in the logits on
      dev; None if they have the same order there.
  """

  folder: str
  manifest: Manifest
  order: tuple[int, ...] | None = None

  @property
  def paths(self) -> list[str]:
    """The paths of the shards, in order."""
    names = [shard.name for shard in self.manifest.shards]
    return [os.path.join(self.folder, name) for name in names]

  def check_shards(self) -> None:
    """Compares the shards with the manifest.

    Raises:
      UserError: a shard is missing or has changed since the dump was
        completed.
    """
    for path, shard in zip(self.paths, self.manifest.shards, strict=True):
      files.require_file(path, 'a shard of the dump')
      found = dump_shards.describe(path)
      if found != shard:
        raise UserError(
          f'{path} does not match {dump_manifest.FILE_NAME}: it has '
          f'{_summary(found)}, expected {_summary(shard)}. It was changed '
          'after the dump was completed; make the dump again.'
        )

  def rows(self) -> Iterator[Row]:
    """Yields every example, in the order of the transfer set.

    Raises:
      UserError: a record is not an example or contradicts the manifest, or the
        numbers of examples and of labels are others than there.
    """
    num_labelled = 0
    for path, shard in zip(self.paths, self.manifest.shards, strict=True):
      count = 0
      for count, row in enumerate(dump_shards.read(path), 1):
        if problem := self._misfit(row):
          raise UserError(f'{path}, record {count - 1}: {problem}')
        num_labelled += row.label is not None
        yield row if self.order is None else _reordered(row, self.order)
      if count != shard.num_examples:
        raise UserError(
          f'{path} has {count} examples, expected {shard.num_examples} as in '
          f'{dump_manifest.FILE_NAME}'
        )

    self._check_num_labelled(num_labelled)

  def _misfit(self, row: Row) -> str:
    """Describes how a row contradicts the manifest; '' if it does not."""
    manifest, ids = self.manifest, row.input_ids
    counts = (
      ('logits', len(row.teacher_logits), len(manifest.labels) or 1),
      ('segments', len(row.segment_ids), len(ids)),
      (
        'values of [CLS] states',
        0 if row.cls_states is None else len(row.cls_states),
        manifest.num_state_values,
      ),
    )
    for name, found, expected in counts:
      if found != expected:
        return f'found {found} {name}, expected {expected}'
    if not 1 <= len(ids) <= manifest.max_seq_length:
      return (
        f'found {len(ids)} tokens, expected 1 to {manifest.max_seq_length} '
        f'(max_seq_length in {dump_manifest.FILE_NAME})'
      )
    if not 0 <= ids.min() <= ids.max() < manifest.vocab_size:
      return (
        f'found the token ids {ids.min()} to {ids.max()}, expected 0 to '
        f'{manifest.vocab_size - 1} (vocab_size in {dump_manifest.FILE_NAME})'
      )
    return ''

  def dev_logits(self, shape: tuple[int, int]) -> np.ndarray | None:
    """Returns `read_dev_logits` of the dump, with the labels in order."""
    logits = read_dev_logits(self.folder, shape)
    if logits is None or self.order is None:
      return logits
    return logits[:, self.order]

  def check_labels(self, task: Task) -> None:
    """Reads all labels and counts them.

    Raises:
      UserError: their number is another one than in the manifest.
    """
    num_labelled = sum(
      dump_shards.count_labelled(path, task.is_regression)
      for path in self.paths
    )
    self._check_num_labelled(num_labelled)

  def _check_num_labelled(self, found: int) -> None:
    recorded = self.manifest.num_labelled
    if found != recorded:
      raise UserError(
        f'{os.path.join(self.folder, dump_manifest.FILE_NAME)}: num_labelled '
        f'is {recorded}, but {found} examples of the shards have a label'
      )

  def source(
    self,
    task: Task,
    max_seq_length: int,
    with_labels: bool = False,
    with_states: bool = False,
  ) -> RecordSource:
    """Returns the records for training, of a dump whose labels are in order.

    Args:
      task: the dump's task.
      max_seq_length: S, at least the dump's.
      with_labels: whether to read `label_ids`, too. A missing label is -1, or
        NaN for regression.
      with_states: whether to read the [CLS] states, which the dump has.

    Raises:
      UserError: a shard's first record does not fit.
    """
    source = RecordSource(
      tuple(self.paths),
      dump_shards.record_fields(
        task, with_labels, self.manifest.num_state_values * with_states
      ),
      {'S': max_seq_length, 'C': task.num_outputs},
      self.manifest.vocab_size,
    )
    source.check()
    return source


def _reordered(row: Row, order: tuple[int, ...]) -> Row:
  """Returns a row with its logits and label in another order; see `Dump`."""
  label = order.index(row.label) if row.label in order else row.label
  logits = row.teacher_logits[list(order)]
  return row._replace(teacher_logits=logits, label=label)


def parts(dump_dir: str) -> list[str]:
  """Returns the names of a dump's shards, manifest and dev logits, if any."""
  names = files.list_folder(dump_dir) if files.is_folder(dump_dir) else []
  single = (DEV_LOGITS, dump_manifest.FILE_NAME)
  return [x for x in names if x.startswith('logits-') or x in single]


def remove_dev_logits(dump_dir: str) -> None:
  """Removes the logits on the dev split, if they exist."""
  if DEV_LOGITS in parts(dump_dir):
    files.remove(os.path.join(dump_dir, DEV_LOGITS))


def write_dev_logits(dump_dir: str, logits: np.ndarray) -> None:
  """Writes the logits on the dev split, float32 [N, C]."""
  with files.open_write(os.path.join(dump_dir, DEV_LOGITS), 'wb') as file:
    content = io.BytesIO()
    np.save(content, logits)
    file.write(content.getvalue())


def read_dev_logits(dump_dir: str, shape: tuple[int, int]) -> np.ndarray | None:
  """Reads the logits on the dev split.

  Args:
    dump_dir: the dump's folder.
    shape: [N, C].

  Returns:
    float32 [N, C]. None if there is no file. None, and a warning, if it is
    damaged or holds something else: the teacher can score the split again.
  """
  path = os.path.join(dump_dir, DEV_LOGITS)
  if not files.exists(path):
    return None
  with files.open_stream(path) as file:
    content = io.BytesIO(file.read())
  try:
    logits = np.lib.format.read_array(content, allow_pickle=False)
    if (logits.dtype, logits.shape) != (np.float32, shape):
      raise ValueError(
        f'found {logits.dtype} {list(logits.shape)}, expected float32 '
        f'{list(shape)}'
      )
    if not np.all(np.isfinite(logits)):
      raise ValueError('found NaN or infinity, expected finite numbers')
  except ValueError as error:
    logging.warning('%s is damaged and is not used: %s', path, error)
    return None
  return logits


def open_dumps(dump_dirs: Iterable[str], task: Task) -> list[Dump]:
  """Opens the dumps of one or several teachers of a task.

  Labels in another order than the task's are matched by name.

  Raises:
    UserError: a dump is incomplete or changed, was made for another task or
      labels, or differs from the first in its number of examples; or two
      dumps are the same or share a teacher. The message names the dumps.
  """
  dumps = [_open(folder, list(task.labels)) for folder in dump_dirs]
  _check_teachers_differ(dumps)
  for dump in dumps:
    manifest = dump.manifest
    compared = {
      'task': (manifest.task, task.name),
      'labels': (manifest.labels, list(task.labels)),
    }
    for name, (found, expected) in compared.items():
      if found != expected:
        raise UserError(
          f'the dump in {dump.folder} does not fit: {name} is {found!r} in '
          f'the dump, {expected!r} for the student'
        )
    if manifest.num_examples != dumps[0].manifest.num_examples:
      raise UserError(
        f'the dumps differ: {dumps[0].folder} has '
        f'{dumps[0].manifest.num_examples} examples, {dump.folder} has '
        f'{manifest.num_examples}'
      )
    dump.check_shards()
  return dumps


def _open(folder: str, labels: list[str]) -> Dump:
  """Returns a dump, with its labels in this order if they are the same."""
  manifest = dump_manifest.read(folder)
  theirs = manifest.labels
  if theirs == labels or sorted(theirs) != sorted(labels):
    return Dump(folder, manifest)
  logging.info(
    'The labels are matched by name: the dump in %s has them in the order %s, '
    'the task in the order %s.',
    *(folder, ', '.join(theirs), ', '.join(labels)),
  )
  order = tuple(map(theirs.index, labels))
  return Dump(folder, dataclasses.replace(manifest, labels=labels), order)


def _check_teachers_differ(dumps: Iterable[Dump]) -> None:
  """Raises a `UserError` if two dumps share a teacher."""
  folders: set[str] = set()
  dump_of: dict[str, str] = {}
  for dump in dumps:
    folder = files.real_path(dump.folder)
    if folder in folders:
      raise UserError(f'`logits_dir` names the dump {folder} twice')
    folders.add(folder)
    for origin in dump.manifest.origins:
      other = dump_of.setdefault(origin.teacher_checksum, dump.folder)
      if other != dump.folder:
        raise UserError(
          f'the dumps in {other} and {dump.folder} are from the same teacher, '
          f'{origin.teacher} (by its checksum): expected as many teachers as '
          'dumps'
        )


def _summary(shard: Shard) -> str:
  return (
    f'{shard.num_examples} examples in {shard.num_bytes} bytes, CRC-32 of the '
    f'ends {shard.crc_of_ends}'
  )
