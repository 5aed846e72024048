"""The dump that a student is trained on, where no dump as it is will do.

Several teachers become one: their probabilities are averaged. A student of
another vocabulary, or of shorter inputs, gets records of its own from the text
that the dump keeps. Either way the result is a dump in the student's folder;
it depends on its sources alone, and a run that goes on finds it there.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.tasks.classifier_records import encode_texts
from data.tasks.task import Task
from data.text.tokenization import BertTokenizer
from distillation import logits_dump
from distillation.logits_dump import Dump, Row
from system import files, temporary_files
from system.errors import UserError

_CHUNK = 4096  # Examples in memory at a time.


@dataclasses.dataclass(frozen=True)
class Student:
  """How a student sees a task."""

  task: Task
  tokenizer: BertTokenizer
  max_seq_length: int

  def misfits(self, dump: Dump) -> list[str]:
    """Says why the student cannot take a dump's token ids as they are."""
    theirs = dump.manifest
    compared = {
      'vocabulary': (theirs.vocabulary, self.tokenizer.vocab_checksum),
      'do_lower_case': (theirs.do_lower_case, self.tokenizer.do_lower_case),
    }
    misfits = [
      f'{name} is {found!r} in the dump, {wanted!r} for the student'
      for name, (found, wanted) in compared.items()
      if found != wanted
    ]
    if theirs.max_seq_length > self.max_seq_length:
      misfits.append(
        f'its inputs have up to {theirs.max_seq_length} tokens, '
        f'--max_seq_length is {self.max_seq_length}'
      )
    return misfits


def check(dumps: Sequence[Dump], student: Student) -> bool:
  """Checks that a student can be trained on dumps.

  Returns:
    Whether a merged dump must be made; False where the first one will do.

  Raises:
    UserError: neither the ids nor the text of the dumps can be used, or two
      dumps cannot be compared; says why.
  """
  if all(map(student.misfits, dumps)) and not any(
    dump.manifest.keeps_text for dump in dumps
  ):
    raise UserError(
      f'the dump in {dumps[0].folder} does not fit: '
      f'{"; ".join(student.misfits(dumps[0]))}. A dump made with --keep_text '
      'fits every student.'
    )
  for dump in dumps[1:]:
    if _inputs(dump) != _inputs(dumps[0]) and not (
      dump.manifest.keeps_text and dumps[0].manifest.keeps_text
    ):
      raise UserError(
        f'{dumps[0].folder} and {dump.folder} differ in vocabulary, casing or '
        'length, and do not both keep their text (--keep_text): they cannot be '
        'compared'
      )
  return len(dumps) > 1 or bool(student.misfits(dumps[0]))


def _inputs(dump: Dump) -> tuple[str, bool, int]:
  theirs = dump.manifest
  return theirs.vocabulary, theirs.do_lower_case, theirs.max_seq_length


def make(
  dumps: Sequence[Dump],
  fingerprints: Any,
  student: Student,
  temperature: float,
  folder: str,
) -> Dump:
  """Makes a student's own dump, or finds the one made before.

  Args:
    dumps: checked by `check`.
    fingerprints: JSON that identifies their contents.
    student: for whom.
    temperature: T at which probabilities are averaged.
    folder: where to.

  Raises:
    UserError: the dumps do not hold the same texts in the same order; the first
      difference is told.
  """
  made_from = _identity(fingerprints, student, temperature)
  if logits_dump.is_whole(folder):
    if (found := _found(folder, made_from)) is not None:
      return found
    logits_dump.remove_manifest(folder)
  files.make_folder(folder)
  # The student has its folder alone: what is there, a killed run left.
  temporary_files.remove_abandoned(folder, is_alone=True)
  logging.info(
    '%s %s',
    'Merging' if len(dumps) > 1 else 'Tokenizing again the texts of',
    ', '.join(dump.folder for dump in dumps),
  )
  rows = _merged_rows(dumps, student, temperature)
  shards = []
  for shard in dumps[0].manifest.shards:
    path = os.path.join(folder, shard.name)
    logits_dump.write_shard(
      path,
      itertools.islice(rows, shard.num_examples),
      student.task.is_regression,
    )
    shards.append(logits_dump.describe_shard(path))
  manifest = _manifest(dumps, student, shards, made_from)
  logits_dump.write_manifest(folder, manifest)
  return Dump(folder, manifest)


def _found(folder: str, made_from: str) -> Dump | None:
  """Returns the dump made before if it is the one that is wanted."""
  found = Dump(folder, logits_dump.read_manifest(folder))
  if found.manifest.made_from != made_from:
    return None
  try:
    found.check_shards()
  except UserError as error:
    logging.warning('Merging again: %s', error)
    return None
  logging.info('The records in %s are there already.', folder)
  return found


def _manifest(
  dumps: Sequence[Dump],
  student: Student,
  shards: list[logits_dump.Shard],
  made_from: str,
) -> logits_dump.Manifest:
  manifest = dataclasses.replace(
    dumps[0].manifest,
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
  )


def _identity(fingerprints, student: Student, temperature: float) -> str:
  parts = [
    fingerprints,
    student.tokenizer.vocab_checksum,
    student.tokenizer.do_lower_case,
    student.max_seq_length,
    temperature,
  ]
  return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _merged_rows(
  dumps: Sequence[Dump], student: Student, temperature: float
) -> Iterator[Row]:
  # Whose ids the student takes; where no dump's fit, whose text.
  fitting = [not student.misfits(dump) for dump in dumps]
  keeping = [dump.manifest.keeps_text for dump in dumps]
  base = (fitting if any(fitting) else keeping).index(True)
  groups = zip(*(dump.rows() for dump in dumps), strict=True)
  average = functools.partial(
    mean_logits,
    is_regression=student.task.is_regression,
    temperature=temperature,
  )
  while chunk := list(itertools.islice(groups, _CHUNK)):
    rows = []
    for group in chunk:
      _check_same(group, dumps)
      logits = average(np.stack([row.teacher_logits for row in group]))
      rows.append(group[base]._replace(teacher_logits=logits))
    if not any(fitting):
      rows = _encoded(rows, student)
    yield from (row._replace(text_a=None, text_b=None) for row in rows)


def _check_same(group: Sequence[Row], dumps: Sequence[Dump]) -> None:
  """Raises a `UserError` where dumps hold different examples in one place."""
  first = group[0]
  for row, dump in zip(group[1:], dumps[1:], strict=True):
    if _inputs(dump) == _inputs(dumps[0]):
      same = np.array_equal(row.input_ids, first.input_ids)
    else:
      same = (row.text_a, row.text_b) == (first.text_a, first.text_b)
    if row.example_id != first.example_id or not same:
      raise UserError(
        f'the dumps differ: where {dumps[0].folder} has {first.example_id}, '
        f'{dump.folder} has '
        + (
          f'another text of that name: {row.example_id}'
          if row.example_id == first.example_id
          else row.example_id
        )
      )


def _encoded(rows: Sequence[Row], student: Student) -> list[Row]:
  """Tokenizes rows anew, for the student."""
  ids, segments = encode_texts(
    student.tokenizer,
    [row.text_a for row in rows],
    [row.text_b for row in rows] if student.task.is_pair else None,
    student.max_seq_length,
  )
  return [
    row._replace(input_ids=row_ids, segment_ids=row_segments)
    for row, row_ids, row_segments in zip(
      rows, logits_dump.cut(ids), logits_dump.cut(segments), strict=True
    )
  ]


def mean_logits(
  logits: np.ndarray, is_regression: bool, temperature: float = 1.0
) -> np.ndarray:
  """Averages what several teachers predict.

  Args:
    logits: float32 [K, ..., C] of K teachers.
    is_regression: whether they are numbers, whose mean is taken.
    temperature: T.

  Returns:
    float32 [..., C]: for numbers the mean; else T log(mean(softmax(z / T))),
    the logits whose softmax at T is the mean of the teachers'. Of one teacher
    its own logits.
  """
  if len(logits) == 1:
    return logits[0]
  if is_regression:
    return logits.mean(axis=0, dtype=np.float64).astype(np.float32)
  scaled = logits.astype(np.float64) / temperature
  log_probabilities = scaled - _log_sum_exp(scaled, axis=-1)
  mean = _log_sum_exp(log_probabilities, axis=0)[0] - np.log(len(logits))
  return (temperature * mean).astype(np.float32)


def _log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
  """Computes log(sum(exp(x))) without overflow; the axis stays, of size 1."""
  top = values.max(axis=axis, keepdims=True)
  return top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True))


def dev_logits(
  dumps: Iterable[Dump], split: str, is_regression: bool
) -> np.ndarray | None:
  """Returns the teachers' mean logits on the dev split.

  Args:
    dumps: one of each teacher.
    split: the checksum of the examples that are evaluated.
    is_regression: as for `mean_logits`.

  Returns:
    float32 [N, C]; None where a dump has no logits on these examples.
  """
  dumps = list(dumps)
  if any(dump.manifest.dev_split != split for dump in dumps):
    return None
  logits = [logits_dump.read_dev_logits(dump.folder) for dump in dumps]
  if any(values is None for values in logits):
    return None
  return mean_logits(np.stack(logits), is_regression)
