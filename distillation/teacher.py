"""The teacher: scores a transfer set and stores the logits as a dump.

Tested by `tests/scripts/run_distillation_test.py`.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data.records import memory_batches
from data.tasks import classifier_records, label_order
from data.tasks.examples import Example
from data.tasks.text_encoding import encode_examples
from devices import restart, workers
from distillation import (
  dev_scores,
  dump_folder,
  dump_manifest,
  dump_shards,
  logits_dump,
)
from distillation.dump_options import DumpOptions
from distillation.transfer_set import TransferSet
from distillation.transfer_text import Text
from modeling import hidden_states
from modeling.checkpoints.location import Checkpoint
from modeling.configs import BertConfig
from modeling.models import Classifier, released_variables
from system import files
from system.errors import UserError
from system.progress import Progress
from training import output_folder_check, run_folder, run_lock
from training.predictor import Predictor
from training.task_folder import TaskFolder, load_whole


@dataclasses.dataclass(frozen=True)
class DumpJob:
  """The inputs and options of a dump.

  Attributes:
    folder: the task, in the dump's folder.
    teacher: the fine-tuned checkpoint.
    transfer: the texts, at least one for each shard.
    dev: the task's dev split, with labels; empty if the teacher is not scored.
    options: the dump's layout, and which part of it this job makes.
    batch_size: B.
    precision: the compute dtype of the teacher's matrix products.
  """

  folder: TaskFolder
  teacher: Checkpoint
  transfer: TransferSet
  dev: Sequence[Example]
  options: DumpOptions
  batch_size: int
  precision: str = 'float32'

  @property
  def num_shards(self) -> int:
    """The dump's number of files: at most one for each text."""
    return min(self.options.num_logits_shards, len(self.transfer.texts))

  @property
  def num_jobs(self) -> int:
    """The number of jobs that share the dump."""
    return self.options.num_shards

  @property
  def job(self) -> int:
    """This job's number, from 0."""
    return self.options.job

  @property
  def cls_layers(self) -> list[int]:
    """The layers whose [CLS] states are dumped; empty for none."""
    return self.options.cls_layers()


@dataclasses.dataclass(frozen=True)
class Teacher:
  """A fine-tuned model, and its scores on the task's dev split."""

  checkpoint: str
  checksum: str
  scores: dict[str, float] | None  # None on workers other than the chief.
  dev_split: str  # The checksum of the scored examples; '' if there are none.
  predictor: Predictor
  hidden_size: int


def check_layers(options: DumpOptions, config: BertConfig) -> None:
  """Raises a `UserError` if a teacher lacks a layer of `dump_cls_layers`."""
  layers, number = options.cls_layers(), config.num_hidden_layers
  if layers and layers[-1] > number:
    raise UserError(
      f'`dump_cls_layers`={",".join(options.dump_cls_layers)}: the teacher has '
      f'{number} layers, expected numbers from 1 to {number}'
    )


def dump(
  job: DumpJob,
  config: BertConfig,
  identity: Mapping[str, Any],
  command: Mapping[str, Any],
) -> None:
  """Writes a dump, or continues one; does nothing if it is complete.

  Args:
    job: what to dump.
    config: the teacher's.
    identity: everything else that decides the dump, for `run.json`.
    command: the script and its flags, for `run.json`.

  Raises:
    UserError: the folder holds part of another dump, or files of another
      program; or the teacher is no better than chance.
  """
  output_dir = job.folder.output_dir
  if job.num_jobs > job.num_shards:
    raise UserError(
      f'`num_shards`={job.num_jobs}: a dump of {job.num_shards} files cannot '
      'be split over more jobs (`num_logits_shards`)'
    )
  with run_lock.joined(output_dir, 'logits_dir') as is_alone:
    configuration = _configuration(job, config, identity)
    dump_folder.claim(
      output_dir,
      job.folder.task.labels,
      configuration,
      command,
      is_alone,
      is_scored=bool(job.dev),
    )
    _dump(job, config, configuration)


def _dump(
  job: DumpJob, config: BertConfig, configuration: Mapping[str, Any]
) -> None:
  """Writes a dump into the folder that it has claimed, unless it is there."""
  output_dir = job.folder.output_dir
  if dump_manifest.exists(output_dir):
    logging.info('The dump in %s is complete already.', output_dir)
    return
  model = Classifier(config, job.folder.task.num_outputs, job.precision)
  try:
    teacher = load_teacher(model, job)
  except UserError:
    # A refused teacher must not bind the next one to its configuration, which
    # a file system without locks would do.
    if not logits_dump.parts(output_dir):
      run_folder.release(output_dir, configuration)
    raise
  label_order.write(output_dir, job.folder.task.labels)
  dump_logits(teacher, job)


def _configuration(
  job: DumpJob, config: BertConfig, identity: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns everything that decides the dump's content."""
  states = {'dump_cls_layers': job.cls_layers} if job.cls_layers else {}
  return {
    'script': output_folder_check.DUMP_SCRIPT,
    **identity,
    **states,
    'dev': classifier_records.checksum(job.dev),
    'keep_text': job.options.keep_text,
    'max_seq_length': job.folder.max_seq_length,
    'num_logits_shards': job.num_shards,
    'num_texts': len(job.transfer.texts),
    'precision': job.precision,
    'teacher_checkpoint': job.teacher.checksum(),
    'teacher_config': config.to_dict(),
    'texts': job.transfer.checksum(),
  }


def load_teacher(model: Classifier, job: DumpJob) -> Teacher:
  """Loads a teacher, scores it on dev and keeps its logits there.

  Args:
    model: takes the weights.
    job: names the checkpoint.

  Raises:
    UserError: the checkpoint has no head, or the teacher scores no better on
      dev than the best constant prediction.
  """
  load_whole(job.teacher, released_variables(model), job.folder.task)
  predictor = Predictor(
    model, _logits_and_states(model, job.cls_layers) if job.cls_layers else None
  )
  return Teacher(
    job.teacher.prefix,
    job.teacher.checksum(),
    workers.chief_does(lambda: _score_on_dev(predictor, job)),
    classifier_records.checksum(job.dev) if job.dev else '',
    predictor,
    model.config.hidden_size,
  )


def _logits_and_states(
  model: Classifier, layers: Sequence[int]
) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
  """Returns a function from features to float32 [B, C + M*H]."""
  num_values = len(layers) * model.config.hidden_size

  def score(features):
    outputs = hidden_states.of_classifier(model, features, layers)
    states = tf.reshape(outputs['cls_states'], [-1, num_values])
    return tf.concat([outputs['logits'], states], axis=1)

  return score


def _score_on_dev(predictor: Predictor, job: DumpJob) -> dict[str, float]:
  """Returns a teacher's scores on dev; keeps its logits, rejects a weak one."""
  folder, dev = job.folder, job.dev
  if not dev:
    return {}
  shape = (len(dev), folder.task.num_outputs)
  logits = logits_dump.read_dev_logits(folder.output_dir, shape)
  if logits is None:
    texts = [Text(e.example_id, e.text_a, e.text_b) for e in dev]
    logits, _, _, _ = _score(predictor, texts, job)
  return dev_scores.keep(
    folder,
    job.teacher.prefix,
    job.teacher.step,
    dev,
    logits,
    job.options.allow_weak_teacher,
  )


def dump_logits(teacher: Teacher, job: DumpJob) -> None:
  """Scores the transfer set and writes the dump, or this job's part of it.

  Existing shards are kept. The manifest is written once no shard is missing;
  otherwise the missing ones are logged.

  Several workers share the shards, because a transfer set may take hours; a
  shard has the same bytes whichever worker writes it. The chief writes the
  manifest when all have finished.

  Args:
    teacher: scores the texts.
    job: the texts, the folder and the shards. Each shard holds
      N / num_shards consecutive texts of N.
  """
  texts, output_dir = job.transfer.texts, job.folder.output_dir
  paths = dump_shards.paths(output_dir, job.num_shards)
  shards = dump_folder.parts_of(paths, len(texts))
  own = shards[job.job :: job.num_jobs][workers.index() :: workers.count()]
  num_done = 0
  with Progress(sum(b - a for _, a, b in own), ' examples') as progress:
    for path, start, end in own:
      if files.exists(path):
        logging.info('%s exists already', os.path.basename(path))
      else:
        before = num_done
        _dump_shard(
          teacher.predictor,
          texts[start:end],
          job,
          path,
          lambda done, before=before: progress.update(before + done),
        )
        restart.note_progress()
      num_done += end - start
      progress.update(num_done)
  workers.wait()
  workers.chief_does(lambda: _finish(teacher, job, paths))


def _finish(teacher: Teacher, job: DumpJob, paths: Sequence[str]) -> None:
  """Completes a dump, or logs which of its shards are missing."""
  missing = [n for n, path in enumerate(paths) if not files.exists(path)]
  if missing:
    _warn_of_missing(missing, paths, job)
    return
  dump_folder.complete(job.folder, paths, **_facts(teacher, job))


def _warn_of_missing(
  missing: Sequence[int], paths: Sequence[str], job: DumpJob
) -> None:
  jobs = sorted({number % job.num_jobs for number in missing})
  logging.warning(
    'Job %d has written its shards, but the dump is incomplete: %s are '
    'missing, which the jobs with `shard_index`=%s write. The last job to '
    'finish completes the dump, and so does the command without `shard_index` '
    'and `num_shards`.',
    job.job,
    ', '.join(os.path.basename(paths[number]) for number in missing),
    ', '.join(map(str, jobs)),
  )


def _facts(teacher: Teacher, job: DumpJob) -> dict[str, Any]:
  """Returns the fields of the manifest that the job can fill."""
  transfer = job.transfer
  return {
    'teacher': teacher.checkpoint,
    'teacher_checksum': teacher.checksum,
    'teacher_scores': teacher.scores,
    'num_examples': len(transfer.texts),
    'num_held_out': transfer.num_held_out,
    'num_labelled': sum(text.label is not None for text in transfer.texts),
    'keeps_text': job.options.keep_text,
    'dev_split': teacher.dev_split,
    'cls_layers': job.cls_layers,
    'cls_size': teacher.hidden_size if job.cls_layers else 0,
  }


def _dump_shard(
  predictor: Predictor,
  texts: Sequence[Text],
  job: DumpJob,
  path: str,
  on_progress: Callable[[int], None],
) -> None:
  task = job.folder.task
  logits, states, ids, segments = _score(predictor, texts, job, on_progress)
  _check_finite(texts, logits)
  rows = dump_folder.rows(
    task, texts, logits, ids, segments, job.options.keep_text, states
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


def _score(
  predictor: Predictor,
  texts: Sequence[Text],
  job: DumpJob,
  on_progress: Callable[[int], None] | None = None,
):
  """Scores N texts.

  Returns:
    The logits, float32 [N, C]; the [CLS] states, float32 [N, M*H], or None if
    they are not dumped; and the ids and segments that were scored,
    RaggedTensors [N, (tokens)].
  """
  folder = job.folder
  ids, segments = encode_examples(
    folder.tokenizer, texts, folder.task.is_pair, folder.max_seq_length
  )
  batches = memory_batches.batches(
    ids, segments, job.batch_size, folder.max_seq_length
  )
  logits = predictor.predict(batches, len(texts), on_progress)
  states = None
  if job.cls_layers:
    logits, states = np.split(logits, [folder.task.num_outputs], axis=1)
  return logits, states, ids, segments
