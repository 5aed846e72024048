"""Scores a transfer set with a fine-tuned teacher and stores its logits."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from absl import logging

from data import files, input_pipeline, logits_dump
from data.classifier_features import encode_texts
from data.errors import UserError
from data.progress import Progress
from data.tasks import Example
from data.transfer_text import Text
from modeling import checkpoints, classification
from modeling.models import Classifier, released_variables
from modeling.task_runs import TaskRun, load_whole


@dataclasses.dataclass(frozen=True)
class Teacher:
  """A fine-tuned model, and how well it does on the task's dev split."""

  model: Classifier
  checkpoint: str
  checksum: str
  scores: dict[str, float]


def load_teacher(
  model: Classifier,
  checkpoint: str,
  run: TaskRun,
  dev: Sequence[Example],
  batch_size: int,
  allow_weak: bool = False,
) -> Teacher:
  """Loads a teacher and scores it on dev.

  Args:
    model: takes the weights.
    checkpoint: the prefix of a fine-tuned checkpoint, head included.
    run: the task in its folder.
    dev: labelled examples.
    batch_size: B.
    allow_weak: accept a teacher at chance level.

  Raises:
    UserError: the checkpoint has no head, or on dev the teacher is no better
      than the best constant prediction.
  """
  logging.info('The teacher on dev:')
  scores = run.evaluate(model, checkpoint, dev, batch_size)
  name = f'eval_{run.task.metrics[0]}'
  chance = classification.chance_score(run.task, dev)
  if not scores[name] > chance and not allow_weak:
    raise UserError(
      f'the teacher {checkpoint} is at chance level on dev: {name} is '
      f'{scores[name]:.4f}, a constant prediction gives {chance:.4f}. '
      '--allow_weak_teacher takes it all the same.'
    )
  load_whole(checkpoint, released_variables(model))
  return Teacher(model, checkpoint, checkpoints.checksum(checkpoint), scores)


def dump_logits(
  teacher: Teacher,
  texts: Sequence[Text],
  num_held_out: int,
  run: TaskRun,
  num_shards: int,
  batch_size: int,
) -> None:
  """Scores texts and writes a dump; shards that are whole already stay.

  Args:
    teacher: who scores.
    texts: N texts.
    num_held_out: how many were left out; goes into the manifest.
    run: the task; its folder takes the dump.
    num_shards: how many, at most N; each holds N / num_shards texts in a row.
    batch_size: B.
  """
  paths = logits_dump.shard_paths(run.output_dir, num_shards)
  bounds = np.linspace(0, len(texts), num_shards + 1).astype(int)
  predictor = classification.Predictor(teacher.model)
  with Progress(len(texts), ' examples') as progress:
    for path, start, end in zip(paths, bounds[:-1], bounds[1:], strict=True):
      if files.exists(path):
        logging.info('%s is there already', os.path.basename(path))
      else:
        _dump_shard(predictor, texts[start:end], run, path, batch_size)
      progress.update(end)
  logits_dump.write_manifest(
    run.output_dir,
    logits_dump.Manifest(
      task=run.task.name,
      labels=list(run.task.labels),
      teacher=teacher.checkpoint,
      teacher_checksum=teacher.checksum,
      teacher_scores=teacher.scores,
      vocabulary=run.tokenizer.vocab_checksum,
      vocab_size=run.tokenizer.vocab_size,
      do_lower_case=run.tokenizer.do_lower_case,
      max_seq_length=run.max_seq_length,
      num_examples=len(texts),
      num_held_out=num_held_out,
      shards=[os.path.basename(path) for path in paths],
    ),
  )


def _dump_shard(predictor, texts, run: TaskRun, path, batch_size) -> None:
  texts_b = [b for _, _, b in texts] if run.task.is_pair else None
  ids, segments = encode_texts(
    run.tokenizer, [a for _, a, _ in texts], texts_b, run.max_seq_length
  )
  batches = input_pipeline.inference_batches_from(
    {'input_ids': ids, 'segment_ids': segments}, batch_size, run.max_seq_length
  )
  logits = predictor.predict(batches, len(texts))
  logits_dump.write_shard(
    path, ids, segments, logits, [example_id for example_id, _, _ in texts]
  )
