"""Scores a transfer set with a fine-tuned teacher and stores its logits."""

import dataclasses
import os
from collections.abc import Callable, Sequence

import numpy as np
from absl import logging

from data.records import inference_input
from data.tasks import classifier_records
from data.tasks.classifier_records import encode_texts
from data.tasks.examples import Example
from devices import restart, workers
from distillation import logits_dump
from distillation.transfer_set import TransferSet
from distillation.transfer_text import Text
from modeling.checkpoints import location
from modeling.models import Classifier, released_variables
from system import files, temporary_files
from system.errors import UserError
from system.progress import Progress
from training import classification, result_files
from training.task_folder import TaskFolder, load_whole


@dataclasses.dataclass(frozen=True)
class DumpJob:
  """How a dump is laid out, and which part of it a job makes.

  Attributes:
    num_shards: of the dump.
    batch_size: B.
    keeps_text: whether the texts are stored too.
    job: this job's number among `num_jobs` that share the dump; it makes the
      shards whose number leaves `job` as remainder.
    num_jobs: 1 for the whole dump.
  """

  num_shards: int
  batch_size: int
  keeps_text: bool = False
  job: int = 0
  num_jobs: int = 1


@dataclasses.dataclass(frozen=True)
class Teacher:
  """A fine-tuned model, and how well it does on the task's dev split."""

  checkpoint: str
  checksum: str
  scores: dict[str, float] | None  # Of several workers the chief knows them.
  dev_split: str  # The checksum of the examples that were scored.
  predictor: classification.Predictor


def load_teacher(
  model: Classifier,
  checkpoint: str,
  run: TaskFolder,
  dev: Sequence[Example],
  batch_size: int,
  allow_weak: bool = False,
) -> Teacher:
  """Loads a teacher, scores it on dev and keeps its logits there.

  Args:
    model: takes the weights.
    checkpoint: the prefix of a fine-tuned checkpoint, head included.
    run: the task in the dump's folder.
    dev: labelled examples.
    batch_size: B.
    allow_weak: accept a teacher at chance level.

  Raises:
    UserError: the checkpoint has no head, or on dev the teacher is no better
      than the best constant prediction.
  """
  load_whole(checkpoint, released_variables(model))
  predictor = classification.Predictor(model)
  return Teacher(
    checkpoint,
    location.checksum(checkpoint),
    workers.chief_does(
      lambda: _judge(predictor, checkpoint, run, dev, batch_size, allow_weak)
    ),
    classifier_records.checksum(dev),
    predictor,
  )


def _judge(
  predictor, checkpoint: str, run: TaskFolder, dev, batch_size: int, allow_weak
) -> dict[str, float]:
  """Scores a teacher on dev, keeps its logits, refuses a weak one."""
  logits = logits_dump.read_dev_logits(run.output_dir)
  if logits is None:
    texts = [Text(e.example_id, e.text_a, e.text_b) for e in dev]
    logits, _, _ = _score(predictor, texts, run, batch_size)
  logging.info('The teacher on dev:')
  scores = classification.score(run.task, dev, logits)
  result_files.write_eval_results(run.output_dir, checkpoint, scores)
  name = f'eval_{run.task.metrics[0]}'
  chance = classification.chance_score(run.task, dev)
  if not scores[name] > chance and not allow_weak:
    raise UserError(
      f'the teacher {checkpoint} is at chance level on dev: {name} is '
      f'{scores[name]:.4f}, a constant prediction gives {chance:.4f}. '
      '--allow_weak_teacher takes it all the same.'
    )
  # Only now: a teacher that was refused leaves nothing to go on from.
  logits_dump.write_dev_logits(run.output_dir, logits)
  return scores


def dump_logits(
  teacher: Teacher, transfer: TransferSet, run: TaskFolder, job: DumpJob
) -> None:
  """Scores texts and writes a dump, or a job's part of it.

  Shards that are whole already stay. The manifest is written where no shard is
  missing any more; where some are, they are told.

  Several workers deal the shards out among them, for a transfer set may take
  hours; a shard has the same bytes whoever writes it. The chief writes the
  manifest when all are through.

  Args:
    teacher: who scores.
    transfer: N texts, at least one for each shard; each shard holds
      N / num_shards of them in a row.
    run: the task; its folder takes the dump.
    job: which shards.
  """
  paths = logits_dump.shard_paths(run.output_dir, job.num_shards)
  bounds = np.linspace(0, len(transfer.texts), job.num_shards + 1).astype(int)
  shards = list(zip(paths, bounds[:-1], bounds[1:], strict=True))
  mine = shards[job.job :: job.num_jobs][workers.index() :: workers.count()]
  num_done = 0
  with Progress(sum(b - a for _, a, b in mine), ' examples') as progress:
    for path, start, end in mine:
      if files.exists(path):
        logging.info('%s is there already', os.path.basename(path))
      else:
        texts = transfer.texts[start:end]
        before = num_done
        _dump_shard(
          teacher.predictor,
          texts,
          run,
          path,
          job,
          lambda done, before=before: progress.update(before + done),
        )
        restart.progressed()
      num_done += end - start
      progress.update(num_done)
  workers.wait()
  workers.chief_does(lambda: _finish(teacher, transfer, run, paths, job))


def _finish(
  teacher: Teacher,
  transfer: TransferSet,
  run: TaskFolder,
  paths: Sequence[str],
  job: DumpJob,
) -> None:
  """Completes a dump, or tells which of its shards are missing."""
  missing = [n for n, path in enumerate(paths) if not files.exists(path)]
  if missing:
    _tell_missing(missing, paths, job)
  else:
    manifest = _manifest(teacher, transfer, run, paths, job.keeps_text)
    logits_dump.write_manifest(run.output_dir, manifest)
    logging.info(
      'Wrote the dump %s: logits of %s examples in %d files',
      *(run.output_dir, f'{manifest.num_examples:,}', len(paths)),
    )
    # Every shard is there: nobody needs what a killed job left of one.
    temporary_files.remove_abandoned(run.output_dir, 'logits-.*', is_alone=True)


def _tell_missing(
  missing: list[int], paths: Sequence[str], job: DumpJob
) -> None:
  jobs = sorted({number % job.num_jobs for number in missing})
  logging.warning(
    'The shards of job %d are done; the dump is not whole yet: %s are missing, '
    'of --shard_index=%s. Whichever job ends last completes the dump, and so '
    'does the command without --shard_index and --num_shards.',
    job.job,
    ', '.join(os.path.basename(paths[number]) for number in missing),
    ', '.join(map(str, jobs)),
  )


def _manifest(
  teacher: Teacher,
  transfer: TransferSet,
  run: TaskFolder,
  paths: Sequence[str],
  keeps_text: bool,
) -> logits_dump.Manifest:
  return logits_dump.Manifest(
    task=run.task.name,
    labels=list(run.task.labels),
    teacher=teacher.checkpoint,
    teacher_checksum=teacher.checksum,
    teacher_scores=teacher.scores,
    vocabulary=run.tokenizer.vocab_checksum,
    vocab_size=run.tokenizer.vocab_size,
    do_lower_case=run.tokenizer.do_lower_case,
    max_seq_length=run.max_seq_length,
    num_examples=len(transfer.texts),
    num_held_out=transfer.num_held_out,
    shards=[logits_dump.describe_shard(path) for path in paths],
    num_labelled=sum(text.label is not None for text in transfer.texts),
    keeps_text=keeps_text,
    dev_split=teacher.dev_split,
  )


def _dump_shard(
  predictor, texts, run: TaskFolder, path, job: DumpJob, on_progress
) -> None:
  logits, ids, segments = _score(
    predictor, texts, run, job.batch_size, on_progress
  )
  rows = [
    logits_dump.Row(
      text.example_id,
      row_ids,
      row_segments,
      row_logits,
      None if text.label is None else run.task.encode_label(text.label),
      *((text.text_a, text.text_b) if job.keeps_text else ()),
    )
    for text, row_ids, row_segments, row_logits in zip(
      texts,
      logits_dump.cut(ids),
      logits_dump.cut(segments),
      logits,
      strict=True,
    )
  ]
  logits_dump.write_shard(path, rows, run.task.is_regression)


def _score(
  predictor,
  texts: Sequence[Text],
  run: TaskFolder,
  batch_size: int,
  on_progress: Callable[[int], None] | None = None,
):
  """Returns the logits of texts, and the ids and segments they came from."""
  texts_b = [text.text_b for text in texts] if run.task.is_pair else None
  ids, segments = encode_texts(
    run.tokenizer,
    [text.text_a for text in texts],
    texts_b,
    run.max_seq_length,
  )
  batches = inference_input.inference_batches_from(
    ids, segments, batch_size, run.max_seq_length
  )
  logits = predictor.predict(batches, len(texts), on_progress)
  return logits, ids, segments
