"""A dump's folder while the dump is made: claims it, fills it, completes it.

Shared by the dumps that a teacher writes and those of imported scores.

Tested by `tests/scripts/run_distillation_test.py` and
`tests/scripts/import_logits_test.py`.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data.tasks import data_report
from data.tasks.examples import Example
from data.tasks.task import Task
from devices import workers
from distillation import dump_manifest, dump_shards, logits_dump
from distillation.dump_manifest import Manifest
from distillation.dump_shards import Row
from distillation.transfer_text import Text
from system import temporary_files
from system.errors import UserError
from training import (
  output_folder_check,
  result_file_check,
  run_folder,
  run_lock,
  task_job,
)
from training.task_folder import TaskFolder


@contextlib.contextmanager
def claimed(
  folder: TaskFolder,
  configuration: Mapping[str, Any],
  command: Mapping[str, Any],
  is_scored: bool,
) -> Iterator[bool]:
  """Binds a folder to a dump's configuration, or checks that it is bound to it.

  A folder without a shard is free unless another job of the same dump is at
  work there. It belongs to the next command.

  Args:
    folder: the task, in the dump's folder.
    configuration: everything that decides the dump's content.
    command: the script and its flags, for `run.json`.
    is_scored: whether the job writes the teacher's scores on dev.

  Yields:
    Whether the dump is still to be made, the same on all workers.

  Raises:
    UserError: the folder holds part of another dump, a run, or files of
      another program.
  """
  output_dir = folder.output_dir

  def is_free() -> bool:
    parts = logits_dump.parts(output_dir)
    output_folder_check.check_dump(output_dir, folder.task.labels, parts)
    if is_scored:
      result_file_check.check_eval_results(output_dir)
    if set(parts) - {logits_dump.DEV_LOGITS} or not is_alone():
      return False
    if run_folder.is_of_another(output_dir, configuration):
      logits_dump.remove_dev_logits(output_dir)
    return True

  with run_lock.joined(output_dir, 'logits_dir') as is_alone:
    run_folder.claim(
      output_dir,
      configuration,
      # Jobs that start together see no shard: the first one's claim counts.
      has_progress=not workers.chief_does(is_free),
      setting_name='logits_dir',
      command=command,
      is_alone=False,
    )
    is_complete = bool(workers.from_chief(dump_manifest.exists(output_dir)))
    if is_complete:
      logging.info('The dump in %s is complete already.', output_dir)
    yield not is_complete


@contextlib.contextmanager
def released_if_refused(
  folder: TaskFolder, configuration: Mapping[str, Any]
) -> Iterator[None]:
  """Frees the claimed folder if the block refuses the teacher.

  A refused teacher must not bind the next one to its configuration, which a
  file system without locks would do.
  """
  try:
    yield
  except UserError:
    if not logits_dump.parts(folder.output_dir):
      run_folder.release(folder.output_dir, configuration)
    raise


def parts_of(
  paths: Sequence[str], num_texts: int
) -> list[tuple[str, int, int]]:
  """Returns each shard's path, its first text and the end of its texts."""
  bounds = np.linspace(0, num_texts, len(paths) + 1).astype(int).tolist()
  return list(zip(paths, bounds[:-1], bounds[1:], strict=True))


def rows(
  task: Task,
  texts: Sequence[Text],
  logits: np.ndarray,
  ids: tf.RaggedTensor,
  segments: tf.RaggedTensor,
  keeps_text: bool,
  states: np.ndarray | None = None,
) -> list[Row]:
  """Returns the examples of N texts.

  Args:
    task: encodes the labels.
    texts: N texts.
    logits: float32 [N, C].
    ids: int32 [N, (tokens)].
    segments: int32 [N, (tokens)].
    keeps_text: whether the examples hold their text.
    states: float32 [N, M*H]; None without states.
  """
  return [
    Row(
      text.example_id,
      row_ids,
      row_segments,
      row_logits,
      None if text.label is None else task.encode_label(text.label),
      text.text_a if keeps_text else None,
      text.text_b if keeps_text else None,
      row_states,
    )
    for text, row_ids, row_segments, row_logits, row_states in zip(
      texts,
      dump_shards.split_rows(ids),
      dump_shards.split_rows(segments),
      logits,
      [None] * len(texts) if states is None else states,
      strict=True,
    )
  ]


def complete(folder: TaskFolder, paths: Sequence[str], **facts: Any) -> None:
  """Writes the manifest of a dump whose shards are all there.

  Args:
    folder: the task, in the dump's folder.
    paths: the shards.
    **facts: the fields of the manifest that neither of them tells.
  """
  tokenizer, output_dir = folder.tokenizer, folder.output_dir
  manifest = Manifest(
    task=folder.task.name,
    labels=list(folder.task.labels),
    vocabulary=tokenizer.vocab_checksum,
    vocab_size=tokenizer.vocab_size,
    do_lower_case=tokenizer.do_lower_case,
    max_seq_length=folder.max_seq_length,
    shards=[dump_shards.describe(path) for path in paths],
    **facts,
  )
  dump_manifest.write(output_dir, manifest)
  logging.info(
    'Wrote the dump %s: logits of %s examples in %d files',
    output_dir,
    f'{manifest.num_examples:,}',
    len(manifest.shards),
  )
  # All shards are complete, so parts that killed jobs left are useless.
  temporary_files.remove_abandoned(output_dir, 'logits-.*', is_alone=True)


def show_data(
  folder: TaskFolder,
  texts: Iterable[Text],
  dev: Sequence[Example],
  max_positions: int,
) -> None:
  """Logs what a dump's texts are like; on the chief.

  Args:
    folder: the task, in the dump's folder.
    texts: the transfer set.
    dev: the task's dev examples; may be empty.
    max_positions: the maximum input length of the model that reads them.
  """
  if workers.is_chief():
    splits = {'transfer': [Example(*text) for text in texts], 'dev': dev}
    data_report.show(task_job.make_data_report(folder, splits, max_positions))
