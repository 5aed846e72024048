"""Makes a logits dump of the scores that any teacher gave: --do_import_logits.

The dump is like any other: students, `tools.combine_dumps` and the merging of
several teachers take it. In its folder, `imported_scores.json` tells what was
found in the tables.

Tested by `tests/scripts/import_logits_test.py`.
"""

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.tasks import classifier_records, held_out, label_order
from data.tasks.examples import Example
from data.tasks.task import Task
from data.tasks.text_encoding import encode_examples
from data.text.tokenization import BertTokenizer
from devices import workers
from distillation import (
  dev_scores,
  dump_folder,
  dump_manifest,
  dump_shards,
  imported_scores,
  transfer_set,
)
from distillation.imported_scores import ImportedScores
from distillation.options import DistillationOptions
from system import files
from system.progress import Progress
from training import output_folder_check, task_job
from training.task_folder import TaskFolder

_FACTS = 'imported_scores.json'
# The maximum input length of the released models: the student is not known.
_RELEASED_POSITIONS = 512


@dataclasses.dataclass(frozen=True)
class ImportJob:
  """A dump to make of imported scores.

  Attributes:
    folder: the task, in the dump's folder.
    scores: the texts and their logits.
    dev: the task's dev split, with labels; empty if the teacher is not scored.
    dev_logits: float32 [N, C] of `dev`; None if the teacher is not scored.
    options: all settings of the script.
  """

  folder: TaskFolder
  scores: ImportedScores
  dev: Sequence[Example]
  dev_logits: np.ndarray | None
  options: DistillationOptions

  @property
  def teacher(self) -> str:
    """The teacher's name: the user's, or the names of its tables."""
    imported = self.options.imported
    return imported.teacher_name or ','.join(imported.teacher_scores)

  @property
  def teacher_checksum(self) -> str:
    """What identifies the teacher: its name, or a SHA-256 of its scores."""
    if name := self.options.imported.teacher_name:
      return dump_manifest.NAMED + name
    return dump_manifest.SCORES + self.scores.checksum()

  @property
  def num_shards(self) -> int:
    """The dump's number of files: at most one for each text."""
    return min(self.options.dump.num_logits_shards, len(self.scores.texts))


def run(
  task: Task,
  tokenizer: BertTokenizer,
  dev: Sequence[Example],
  options: DistillationOptions,
  command: Mapping[str, Any],
) -> None:
  """Makes the dump, or continues it; does nothing if it is complete.

  The chief works, the other workers wait.

  Args:
    task: the task.
    tokenizer: of the dump's token ids.
    dev: the task's dev split; not used without `teacher_dev_scores`.
    options: all settings of the script.
    command: the script and its flags, for `run.json`.

  Raises:
    UserError: a table is malformed, or has rows that are refused; the folder
      holds part of another dump, or files of another program; or the teacher is
      no better than chance.
  """
  folder = TaskFolder(
    task, tokenizer, options.model.max_seq_length, options.dump.logits_dir[0]
  )
  is_scored = bool(options.imported.teacher_dev_scores)
  job = _make_job(folder, dev if is_scored else (), options)
  length = max(job.folder.max_seq_length, _RELEASED_POSITIONS)
  dump_folder.show_data(job.folder, job.scores.texts, job.dev, length)
  configuration = _configuration(job)
  with dump_folder.claimed(
    job.folder, configuration, command, is_scored
  ) as is_wanted:
    if is_wanted:
      workers.chief_does(lambda: _write(job, configuration))
      workers.wait()


def _make_job(
  folder: TaskFolder, dev: Sequence[Example], options: DistillationOptions
) -> ImportJob:
  task, imported = folder.task, options.imported
  columns = transfer_set.columns_of(task, options.task, options.transfer)

  def read(patterns: Sequence[str]) -> list[imported_scores.ScoreRows]:
    return imported_scores.read_tables(
      patterns, columns.names, task, imported, imported.leave_out_bad_scores
    )

  dev_and_test = held_out.read(task, options.task.data_dir)
  scores = imported_scores.collect(
    read(imported.teacher_scores), task, dev_and_test
  )
  dev_logits = None
  if dev:
    dev_logits = imported_scores.on_dev(read(imported.teacher_dev_scores), dev)
  return ImportJob(folder, scores, dev, dev_logits, options)


def _configuration(job: ImportJob) -> dict[str, Any]:
  """Returns everything that decides the dump's content."""
  dev_logits = b'' if job.dev_logits is None else job.dev_logits.tobytes()
  return {
    'script': output_folder_check.IMPORT_SCRIPT,
    **task_job.task_identity(job.folder),
    'dev': classifier_records.checksum(job.dev),
    'dev_scores': hashlib.sha256(dev_logits).hexdigest(),
    'keep_text': job.options.dump.keep_text,
    'max_seq_length': job.folder.max_seq_length,
    'num_logits_shards': job.num_shards,
    'scores': job.scores.checksum(),
    'teacher': job.teacher_checksum,
  }


def _write(job: ImportJob, configuration: Mapping[str, Any]) -> None:
  """Writes the dump into the claimed folder."""
  output_dir, task = job.folder.output_dir, job.folder.task
  with dump_folder.released_if_refused(job.folder, configuration):
    scores = _scores_on_dev(job)
  label_order.write(output_dir, task.labels)
  files.write_json(os.path.join(output_dir, _FACTS), job.scores.facts)
  paths = dump_shards.paths(output_dir, job.num_shards)
  with Progress(len(job.scores.texts), ' examples') as progress:
    for path, start, end in dump_folder.parts_of(paths, len(job.scores.texts)):
      if not files.exists(path):
        _write_shard(job, path, slice(start, end))
      progress.update(end)
  dump_folder.complete(job.folder, paths, **_facts(job, scores))


def _scores_on_dev(job: ImportJob) -> dict[str, float]:
  """Returns the teacher's scores; rejects a weak one. {} without dev."""
  if job.dev_logits is None:
    return {}
  allows_weak = job.options.dump.allow_weak_teacher
  return dev_scores.keep(
    job.folder, job.teacher, 0, job.dev, job.dev_logits, allows_weak
  )


def _write_shard(job: ImportJob, path: str, part: slice) -> None:
  task, texts = job.folder.task, job.scores.texts[part]
  ids, segments = encode_examples(
    job.folder.tokenizer, texts, task.is_pair, job.folder.max_seq_length
  )
  rows = dump_folder.rows(
    task,
    texts,
    job.scores.logits[part],
    ids,
    segments,
    job.options.dump.keep_text,
  )
  dump_shards.write(path, rows, task.is_regression)


def _facts(job: ImportJob, scores: Mapping[str, float]) -> dict[str, Any]:
  """Returns the fields of the manifest that the job can fill."""
  is_scored = job.dev_logits is not None
  return {
    'teacher': job.teacher,
    'teacher_checksum': job.teacher_checksum,
    'teacher_scores': dict(scores),
    'num_examples': len(job.scores.texts),
    'num_held_out': job.scores.facts['num_held_out'],
    'num_labelled': 0,
    'keeps_text': job.options.dump.keep_text,
    'dev_split': classifier_records.checksum(job.dev) if is_scored else '',
  }
