"""Makes a logits dump of a teacher's checkpoint: --do_dump_logits.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from data.tasks import classifier_records, label_order
from data.tasks.examples import Example
from data.tasks.task import Task
from data.text.tokenization import BertTokenizer
from devices import restart, workers
from distillation import (
  dev_scores,
  dump_folder,
  dump_shards,
  logits_dump,
  student,
  teacher,
  transfer_set,
)
from distillation.dump_options import DumpOptions
from distillation.options import DistillationOptions
from distillation.teacher import Teacher
from distillation.transfer_set import TransferSet
from distillation.transfer_text import Text
from modeling.checkpoints import location
from modeling.checkpoints.location import Checkpoint
from modeling.configs import BertConfig
from system import files
from system.errors import UserError
from system.progress import Progress
from training import (
  checkpoint_choice,
  model_config,
  output_folder_check,
  task_job,
)
from training.task_folder import TaskFolder


@dataclasses.dataclass(frozen=True)
class DumpJob:
  """The inputs and options of a dump.

  Attributes:
    folder: the task, in the dump's folder.
    checkpoint: the teacher's, fine-tuned.
    config: the teacher's.
    transfer: the texts, at least one for each shard.
    dev: the task's dev split, with labels; empty if the teacher is not scored.
    options: the dump's layout, and which part of it this job makes.
    batch_size: B.
    precision: the compute dtype of the teacher's matrix products.
  """

  folder: TaskFolder
  checkpoint: Checkpoint
  config: BertConfig
  transfer: TransferSet
  dev: Sequence[Example]
  options: DumpOptions
  batch_size: int
  precision: str

  @property
  def num_shards(self) -> int:
    """The dump's number of shards: at most one for each text."""
    return min(self.options.num_logits_shards, len(self.transfer.texts))

  @property
  def cls_layers(self) -> list[int]:
    """The layers whose [CLS] states are dumped; empty for none."""
    return self.options.cls_layers()


def run(
  task: Task,
  tokenizer: BertTokenizer,
  dev: Sequence[Example],
  options: DistillationOptions,
  command: Mapping[str, Any],
) -> None:
  """Makes the dump, or this job's part of it; nothing if it is complete.

  Args:
    task: the task.
    tokenizer: of the dump's token ids.
    dev: the task's dev split; empty if the teacher is not scored.
    options: all settings of the script.
    command: the script and its flags, for `run.json`.

  Raises:
    UserError: the teacher does not fit the task or the flags; the folder holds
      part of another dump, or files of another program; or the teacher is no
      better than chance.
  """
  job = _make_job(task, tokenizer, dev, options)
  dump_folder.show_data(
    job.folder, job.transfer.texts, dev, job.config.max_position_embeddings
  )
  num_jobs = job.options.num_dump_jobs
  if num_jobs > job.num_shards:
    raise UserError(
      f'`num_dump_jobs`={num_jobs}: a dump of {job.num_shards} files cannot be '
      'split over more jobs (`num_logits_shards`)'
    )
  configuration = _configuration(job)
  with dump_folder.claimed(
    job.folder, configuration, command, bool(job.dev)
  ) as is_wanted:
    if is_wanted:
      _write(job, configuration)


def _make_job(
  task: Task,
  tokenizer: BertTokenizer,
  dev: Sequence[Example],
  options: DistillationOptions,
) -> DumpJob:
  dump, data_dir = options.dump, options.task.data_dir
  checkpoint = location.locate(dump.teacher_checkpoint)
  source, config = model_config.read_teacher_config(dump, checkpoint)
  text = task_job.text_of(tokenizer, options)
  max_seq_length = options.model.max_seq_length
  model_config.check_fit(source, config, text, max_seq_length, task)
  _check_layers(dump, config)
  checkpoint_choice.check_text(checkpoint, text, 'teacher_checkpoint')
  transfer = transfer_set.make(
    task,
    data_dir,
    options.transfer,
    transfer_set.columns_of(task, options.task, options.transfer),
    tfds_dir=data_dir if options.task.data_source == 'tfds' else None,
  )
  if options.training.do_train:
    student.check_texts(transfer.texts, options)
  return DumpJob(
    TaskFolder(task, tokenizer, max_seq_length, dump.logits_dir[0]),
    checkpoint,
    config,
    transfer,
    dev,
    dump,
    options.evaluation.predict_batch_size,
    options.devices.precision,
  )


def _check_layers(options: DumpOptions, config: BertConfig) -> None:
  """Raises a `UserError` if a teacher lacks a layer of `dump_cls_layers`."""
  layers, number = options.cls_layers(), config.num_hidden_layers
  if layers and layers[-1] > number:
    raise UserError(
      f'`dump_cls_layers`={",".join(options.dump_cls_layers)}: the teacher has '
      f'{number} layers, expected numbers from 1 to {number}'
    )


def _configuration(job: DumpJob) -> dict[str, Any]:
  """Returns everything that decides the dump's content."""
  states = {'dump_cls_layers': job.cls_layers} if job.cls_layers else {}
  return {
    'script': output_folder_check.DUMP_SCRIPT,
    **task_job.task_identity(job.folder),
    **states,
    'dev': classifier_records.checksum(job.dev),
    'keep_text': job.options.keep_text,
    'max_seq_length': job.folder.max_seq_length,
    'num_logits_shards': job.num_shards,
    'num_texts': len(job.transfer.texts),
    'precision': job.precision,
    'teacher_checkpoint': job.checkpoint.checksum(),
    'teacher_config': job.config.to_dict(),
    'texts': job.transfer.checksum(),
  }


def _write(job: DumpJob, configuration: Mapping[str, Any]) -> None:
  """Writes a dump, or this job's part of it, into the claimed folder."""
  with dump_folder.released_if_refused(job.folder, configuration):
    loaded = teacher.load(
      job.checkpoint,
      job.config,
      job.folder,
      job.cls_layers,
      job.batch_size,
      job.precision,
    )
    scores = workers.chief_does(lambda: _score_on_dev(loaded, job))
  label_order.write(job.folder.output_dir, job.folder.task.labels)
  _write_shards(loaded, job)
  workers.wait()
  workers.chief_does(lambda: _finish(job, scores))


def _score_on_dev(loaded: Teacher, job: DumpJob) -> dict[str, float]:
  """Returns a teacher's scores on dev; keeps its logits, rejects a weak one."""
  folder, dev = job.folder, job.dev
  if not dev:
    return {}
  shape = (len(dev), folder.task.num_outputs)
  logits = logits_dump.read_dev_logits(folder.output_dir, shape)
  if logits is None:
    texts = [Text(e.example_id, e.text_a, e.text_b) for e in dev]
    logits = loaded.score(texts).logits
  return dev_scores.keep(
    folder,
    job.checkpoint.prefix,
    job.checkpoint.step,
    dev,
    logits,
    job.options.allow_weak_teacher,
  )


def _paths(job: DumpJob) -> list[str]:
  return dump_shards.paths(job.folder.output_dir, job.num_shards)


def _write_shards(loaded: Teacher, job: DumpJob) -> None:
  """Scores the transfer set and writes this job's shards of the dump.

  Existing shards are kept. Several workers share the shards, because a transfer
  set may take hours; a shard has the same bytes whichever worker writes it.
  """
  texts, options = job.transfer.texts, job.options
  shards = dump_folder.parts_of(_paths(job), len(texts))
  own = shards[options.job_index :: options.num_dump_jobs]
  own = own[workers.index() :: workers.count()]
  num_done = 0
  with Progress(sum(b - a for _, a, b in own), ' examples') as progress:
    for path, start, end in own:
      if files.exists(path):
        logging.info('%s exists already', os.path.basename(path))
      else:
        before = num_done
        _write_shard(
          loaded,
          texts[start:end],
          job,
          path,
          lambda done, before=before: progress.update(before + done),
        )
        restart.note_progress()
      num_done += end - start
      progress.update(num_done)


def _finish(job: DumpJob, scores: Mapping[str, float]) -> None:
  """Completes a dump, or logs which of its shards are missing."""
  paths = _paths(job)
  missing = [n for n, path in enumerate(paths) if not files.exists(path)]
  if missing:
    _warn_of_missing(missing, paths, job)
    return
  dump_folder.complete(job.folder, paths, **_facts(job, scores))


def _warn_of_missing(
  missing: Sequence[int], paths: Sequence[str], job: DumpJob
) -> None:
  jobs = sorted({number % job.options.num_dump_jobs for number in missing})
  logging.warning(
    'Job %d has written its shards, but the dump is incomplete: %s are '
    'missing, which the jobs with `dump_job_index`=%s write. The last job to '
    'finish completes the dump, and so does the command without '
    '`dump_job_index` and `num_dump_jobs`.',
    job.options.job_index,
    ', '.join(os.path.basename(paths[number]) for number in missing),
    ', '.join(map(str, jobs)),
  )


def _facts(job: DumpJob, scores: Mapping[str, float]) -> dict[str, Any]:
  """Returns the fields of the manifest that the job can fill."""
  transfer = job.transfer
  return {
    'teacher': job.checkpoint.prefix,
    'teacher_checksum': job.checkpoint.checksum(),
    'teacher_scores': dict(scores),
    'num_examples': len(transfer.texts),
    'num_held_out': transfer.num_held_out,
    'num_labelled': sum(text.label is not None for text in transfer.texts),
    'keeps_text': job.options.keep_text,
    'dev_split': classifier_records.checksum(job.dev) if job.dev else '',
    'cls_layers': job.cls_layers,
    'cls_size': job.config.hidden_size if job.cls_layers else 0,
  }


def _write_shard(
  loaded: Teacher,
  texts: Sequence[Text],
  job: DumpJob,
  path: str,
  on_progress: Callable[[int], None],
) -> None:
  task = job.folder.task
  scored = loaded.score(texts, on_progress)
  _check_finite(texts, scored.logits)
  rows = dump_folder.rows(
    task,
    texts,
    scored.logits,
    scored.ids,
    scored.segments,
    job.options.keep_text,
    scored.states,
  )
  dump_shards.write(path, rows, task.is_regression)


def _check_finite(texts: Sequence[Text], logits: np.ndarray) -> None:
  """Raises a `UserError` if the logits of a text are not finite."""
  wrong = np.flatnonzero(~np.all(np.isfinite(logits), axis=1))
  if len(wrong):
    raise UserError(
      f'the logits of the teacher are not finite for {len(wrong)} of '
      f'{len(texts)} texts, first for {texts[wrong[0]].example_id}: '
      f'{logits[wrong[0]].tolist()}'
    )
