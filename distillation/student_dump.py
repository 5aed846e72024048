"""Makes a student's own dump if the teachers' dumps do not fit as they are.

The dumps of several teachers are merged into one with the mean of their
probabilities, without [CLS] states: states of different teachers have no
meaningful mean. For a student with another vocabulary or shorter inputs, the
text that a dump keeps is tokenized again. Logits of labels in another order are
reordered. The result is a dump in the student's folder. It depends on its
sources only, so a resumed run uses it again.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.tasks.task import Task
from data.tasks.text_encoding import encode_examples
from data.text.tokenization import BertTokenizer
from distillation import dump_manifest, dump_shards, ensemble
from distillation.dump_manifest import Manifest, Shard
from distillation.dump_shards import Row
from distillation.logits_dump import Dump
from system import files, temporary_files
from system.errors import Unavailable, UserError, shown
from system.progress import announced

_CHUNK = 4096  # Examples in memory at a time.
# A dump for single texts is checked for pairs in this many examples.
_NUM_LOOKED_AT = 100


@dataclasses.dataclass(frozen=True)
class StudentInput:
  """A student's task, and how it turns text into token ids."""

  task: Task
  tokenizer: BertTokenizer
  max_seq_length: int

  def misfits(self, dump: Dump) -> list[str]:
    """Returns why the student cannot use a dump's token ids; [] if it can."""
    manifest = dump.manifest
    compared = {
      'vocabulary': (manifest.vocabulary, self.tokenizer.vocab_checksum),
      'do_lower_case': (manifest.do_lower_case, self.tokenizer.do_lower_case),
    }
    misfits = [
      f'{name} is {found!r} in the dump, {expected!r} for the student'
      for name, (found, expected) in compared.items()
      if found != expected
    ]
    if manifest.max_seq_length > self.max_seq_length:
      misfits.append(
        f'its inputs have up to {manifest.max_seq_length} tokens, '
        f'`max_seq_length` is {self.max_seq_length}'
      )
    return misfits


def needs_own(dumps: Sequence[Dump], student: StudentInput) -> bool:
  """Returns whether a student needs its own dump.

  It does not if there is one dump and the student can use it as it is.
  """
  first = dumps[0]
  is_ordered = first.order is None
  return len(dumps) > 1 or not is_ordered or bool(student.misfits(first))


def check(dumps: Sequence[Dump], student: StudentInput) -> None:
  """Checks that a student can be trained on dumps; reads a part of them.

  Raises:
    UserError: the student can use neither the ids nor the text of the dumps, or
      only one of a dump and the task has pairs of texts, or two dumps cannot be
      compared, or a dump says another size of the student's vocabulary; the
      message gives the reason.
  """
  for dump in dumps:
    _check_vocab_size(dump, student.tokenizer)
    _check_pairing(dump, student.task)
  if all(map(student.misfits, dumps)) and not any(
    dump.manifest.keeps_text for dump in dumps
  ):
    raise UserError(
      f'the dump in {dumps[0].folder} does not fit: '
      f'{"; ".join(student.misfits(dumps[0]))}. A dump made with `keep_text` '
      'fits every student.'
    )
  for dump in dumps[1:]:
    if _inputs(dump) != _inputs(dumps[0]) and not (
      dump.manifest.keeps_text and dumps[0].manifest.keeps_text
    ):
      raise UserError(
        f'{dumps[0].folder} and {dump.folder} differ in vocabulary, casing or '
        'length, and do not both keep their text (`keep_text`): they cannot be '
        'compared'
      )


def _check_pairing(dump: Dump, task: Task) -> None:
  """Raises a `UserError` if only one of a dump and a task has pairs of texts.

  The manifest does not say it; the examples do. A second text without tokens
  looks like none, so a dump for pairs is read up to the first second text.
  """
  num_looked_at = None if task.is_pair else _NUM_LOOKED_AT
  first = itertools.islice(dump.rows(), num_looked_at)
  with announced(f'Looking for pairs in {dump.folder}'):
    has_pairs = any(np.any(row.segment_ids) for row in first)
  if has_pairs and not task.is_pair:
    raise UserError(
      f'the dump in {dump.folder} has pairs of texts, {task.name} single ones: '
      'give `text_pair_column` as to the command that made the dump'
    )
  if task.is_pair and not has_pairs:
    raise UserError(
      f'the dump in {dump.folder} has single texts, {task.name} pairs of '
      'texts: expected a dump of pairs, made with a teacher that takes them'
    )


def _check_vocab_size(dump: Dump, tokenizer: BertTokenizer) -> None:
  manifest = dump.manifest
  if (
    manifest.vocabulary == tokenizer.vocab_checksum
    and manifest.vocab_size != tokenizer.vocab_size
  ):
    raise UserError(
      f'{os.path.join(dump.folder, dump_manifest.FILE_NAME)}: vocab_size is '
      f'{shown(manifest.vocab_size)}, but the vocabulary that it names has '
      f'{tokenizer.vocab_size} tokens'
    )


def base(dumps: Sequence[Dump], student: StudentInput) -> int:
  """Returns the number of the dump whose ids, or else text, a student uses.

  Of several with fitting ids it is the first of those with the largest maximum
  length. Its labels are used, too.
  """
  lengths = {
    number: dump.manifest.max_seq_length
    for number, dump in enumerate(dumps)
    if not student.misfits(dump)
  }
  if lengths:
    return max(lengths, key=lengths.get)
  return [dump.manifest.keeps_text for dump in dumps].index(True)


def _inputs(dump: Dump) -> tuple[str, bool, int]:
  """Returns everything that decides a text's token ids."""
  manifest = dump.manifest
  return manifest.vocabulary, manifest.do_lower_case, manifest.max_seq_length


def make(
  dumps: Sequence[Dump],
  fingerprints: Any,
  student: StudentInput,
  temperature: float,
  folder: str,
) -> Dump:
  """Makes a student's own dump, unless a previous start made it.

  Args:
    dumps: one for each teacher, checked by `check`.
    fingerprints: JSON that identifies the dumps' contents.
    student: the student that will learn from the result.
    temperature: T at which probabilities are averaged.
    folder: the result's folder.

  Raises:
    UserError: the dumps do not hold the same texts in the same order; the
      message names the first difference.
  """
  made_from = _identity(fingerprints, student, temperature)
  if dump_manifest.exists(folder):
    existing = _existing(folder, dumps, student, made_from, temperature)
    if existing is not None:
      return existing
    dump_manifest.remove(folder)
  files.make_folder(folder)
  # No other job uses the student's folder: temporary files are from killed
  # runs.
  temporary_files.remove_abandoned(folder, is_alone=True)
  is_encoded = not student.misfits(dumps[0])
  one = 'Reordering the labels of' if is_encoded else 'Re-tokenizing'
  logging.info(
    '%s %s',
    'Merging' if len(dumps) > 1 else one,
    ', '.join(dump.folder for dump in dumps),
  )
  rows = _merged_rows(dumps, student, temperature)
  shards = []
  for shard in dumps[0].manifest.shards:
    path = os.path.join(folder, shard.name)
    dump_shards.write(
      path,
      itertools.islice(rows, shard.num_examples),
      student.task.is_regression,
    )
    shards.append(dump_shards.describe(path))
  manifest = _manifest(dumps, student, shards, made_from, temperature)
  dump_manifest.write(folder, manifest)
  return Dump(folder, manifest)


def _existing(
  folder: str,
  dumps: Sequence[Dump],
  student: StudentInput,
  made_from: str,
  temperature: float,
) -> Dump | None:
  """Returns the folder's dump if it has these sources and is undamaged."""
  try:
    dump = Dump(folder, dump_manifest.read(folder))
    shards = dump.manifest.shards
    expected = _manifest(dumps, student, shards, made_from, temperature)
    if dump.manifest != expected:
      return None
    dump.check_shards()
  except Unavailable:
    raise
  except UserError as error:
    logging.warning('Making the dump again: %s', error)
    return None
  logging.info('Using the records that exist in %s.', folder)
  return dump


def _manifest(
  dumps: Sequence[Dump],
  student: StudentInput,
  shards: list[Shard],
  made_from: str,
  temperature: float,
) -> Manifest:
  manifest = dataclasses.replace(
    dumps[0].manifest,
    num_labelled=dumps[base(dumps, student)].manifest.num_labelled,
    vocabulary=student.tokenizer.vocab_checksum,
    vocab_size=student.tokenizer.vocab_size,
    do_lower_case=student.tokenizer.do_lower_case,
    max_seq_length=student.max_seq_length,
    shards=shards,
    keeps_text=False,
    dev_split='',
    made_from=made_from,
  )
  if len(dumps) == 1:
    return manifest
  return dataclasses.replace(
    manifest,
    teacher='',
    teacher_checksum='',
    teacher_scores={},
    num_held_out=None,
    merged_from=[x for dump in dumps for x in dump.manifest.origins],
    temperature=temperature,
    cls_layers=[],
    cls_size=0,
  )


def _identity(fingerprints, student: StudentInput, temperature: float) -> str:
  """Returns a hash of everything that decides the result's contents."""
  parts = [
    fingerprints,
    student.tokenizer.vocab_checksum,
    student.tokenizer.do_lower_case,
    student.max_seq_length,
    temperature,
  ]
  return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _merged_rows(
  dumps: Sequence[Dump], student: StudentInput, temperature: float
) -> Iterator[Row]:
  source = base(dumps, student)
  is_encoded = not student.misfits(dumps[source])
  groups = zip(*(dump.rows() for dump in dumps), strict=True)
  average = functools.partial(
    ensemble.mean_logits,
    is_regression=student.task.is_regression,
    temperature=temperature,
  )
  while chunk := list(itertools.islice(groups, _CHUNK)):
    rows = []
    for group in chunk:
      _check_same(group, dumps)
      logits = average(np.stack([row.teacher_logits for row in group]))
      row = group[source]._replace(teacher_logits=logits)
      rows.append(row if len(dumps) == 1 else row._replace(cls_states=None))
    if not is_encoded:
      rows = _encoded(rows, student)
    yield from (row._replace(text_a=None, text_b=None) for row in rows)


def _check_same(group: Sequence[Row], dumps: Sequence[Dump]) -> None:
  """Raises a `UserError` if the rows do not have the same text.

  Args:
    group: one row of each dump, at the same position.
    dumps: the dumps, in the same order.
  """
  first = group[0]
  for row, dump in zip(group[1:], dumps[1:], strict=True):
    if _inputs(dump) == _inputs(dumps[0]):
      is_same = np.array_equal(row.input_ids, first.input_ids)
    else:
      is_same = (row.text_a, row.text_b) == (first.text_a, first.text_b)
    if is_same:
      continue
    # An id may hold a path, so that equal texts have different ids.
    if row.example_id != first.example_id:
      raise UserError(
        f'the dumps differ: where {dumps[0].folder} has {first.example_id}, '
        f'{dump.folder} has {row.example_id}, another text'
      )
    raise UserError(
      f'the dumps differ: {dumps[0].folder} and {dump.folder} have different '
      f'texts for {row.example_id}'
    )


def _encoded(rows: Sequence[Row], student: StudentInput) -> list[Row]:
  """Tokenizes the rows' text again, for the student.

  Raises:
    UserError: a row lacks its text.
  """
  is_pair = student.task.is_pair
  for row in rows:
    if row.text_a is None or (row.text_b is None and is_pair):
      raise UserError(
        f'the dump has no text for {shown(row.example_id)}, although its '
        f'{dump_manifest.FILE_NAME} says that it keeps the text'
      )
  ids, segments = encode_examples(
    student.tokenizer, rows, is_pair, student.max_seq_length
  )
  return [
    row._replace(input_ids=row_ids, segment_ids=row_segments)
    for row, row_ids, row_segments in zip(
      rows,
      dump_shards.split_rows(ids),
      dump_shards.split_rows(segments),
      strict=True,
    )
  ]
