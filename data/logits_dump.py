"""A teacher's logits on a transfer set, stored with the features.

logits-00000-of-000NN   records of `features.LOGITS_DUMP`, unpadded
manifest.json           written last: the teacher, vocabulary, labels, lengths
                        and counts; a folder without it is not a dump yet
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data import files, records
from data.errors import UserError
from data.features import LOGITS_DUMP
from data.record_source import RecordSource
from data.tasks import Task
from data.tokenization import BertTokenizer

_MANIFEST = 'manifest.json'


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


def shard_paths(dump_dir: str, num_shards: int) -> list[str]:
  """Returns the paths of a dump's shards."""
  return records.shard_names(os.path.join(dump_dir, 'logits'), num_shards)


def has_shards(dump_dir: str, num_shards: int) -> bool:
  """Whether a dump of so many shards has been begun in the folder."""
  return any(files.exists(path) for path in shard_paths(dump_dir, num_shards))


def write_shard(
  path: str,
  ids: tf.RaggedTensor,
  segments: tf.RaggedTensor,
  logits: np.ndarray,
  example_ids: Sequence[str],
) -> None:
  """Writes one shard.

  Args:
    path: the shard's.
    ids: int32 [N, (tokens)], with [CLS] and [SEP].
    segments: int32 [N, (tokens)].
    logits: float32 [N, C], the teacher's.
    example_ids: N names.
  """
  with records.RecordWriter(path) as writer:
    for row_ids, row_segments, row_logits, example_id in zip(
      _rows(ids), _rows(segments), logits.tolist(), example_ids, strict=True
    ):
      features = {
        'input_ids': records.int64_feature(row_ids),
        'segment_ids': records.int64_feature(row_segments),
        'teacher_logits': records.float_feature(row_logits),
        'example_id': records.bytes_feature(example_id.encode()),
      }
      example = tf.train.Example(features=tf.train.Features(feature=features))
      writer.write(example.SerializeToString(deterministic=True))


def _rows(values: tf.RaggedTensor) -> list[np.ndarray]:
  flat, splits = values.flat_values.numpy(), values.row_splits.numpy()
  return np.split(flat, splits[1:-1])


def write_manifest(dump_dir: str, manifest: Manifest) -> None:
  """Completes a dump."""
  path = os.path.join(dump_dir, _MANIFEST)
  files.write_json(path, dataclasses.asdict(manifest))


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


def open_dump(
  dump_dir: str, task: Task, tokenizer: BertTokenizer, max_seq_length: int
) -> tuple[Manifest, RecordSource]:
  """Opens a dump for a student, if they fit each other.

  Args:
    dump_dir: the dump's folder.
    task: the student's.
    tokenizer: the student's.
    max_seq_length: the student's S.

  Raises:
    UserError: the dump is not whole, or made for another task, label order,
      vocabulary or a longer sequence; says which.
  """
  manifest = read_manifest(dump_dir)
  expected = {
    'task': (manifest.task, task.name),
    'labels': (manifest.labels, list(task.labels)),
    'vocabulary': (manifest.vocabulary, tokenizer.vocab_checksum),
    'do_lower_case': (manifest.do_lower_case, tokenizer.do_lower_case),
  }
  differences = [
    f'{name} is {theirs!r} in the dump, {ours!r} for the student'
    for name, (theirs, ours) in expected.items()
    if theirs != ours
  ]
  if manifest.max_seq_length > max_seq_length:
    differences.append(
      f'its inputs have up to {manifest.max_seq_length} tokens, '
      f'--max_seq_length is {max_seq_length}'
    )
  if differences:
    raise UserError(
      f'the dump in {dump_dir} does not fit: {"; ".join(differences)}'
    )
  paths = [
    files.require_file(os.path.join(dump_dir, name), 'a shard of the dump')
    for name in manifest.shards
  ]
  source = RecordSource(
    tuple(paths),
    LOGITS_DUMP,
    {'S': max_seq_length, 'C': task.num_outputs},
    manifest.vocab_size,
  )
  source.check()
  return manifest, source
