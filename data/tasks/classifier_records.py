"""Classifier records: a split's examples, encoded and written to a file."""

import hashlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data.records.feature_spec import CLASSIFIER, Field
from data.records.framing import frame
from data.records.record_source import RecordSource
from data.records.record_writer import RecordWriter
from data.records.serialization import serialize
from data.tasks.examples import Example
from data.tasks.task import Task
from data.tasks.text_encoding import encode_examples
from data.text.tokenization import BertTokenizer
from system.errors import UserError

# Examples tokenized and serialized in one call.
_CHUNK = 10_000


def record_fields(task: Task) -> tuple[Field, ...]:
  """Returns the fields of a task's records: float labels for regression."""
  if not task.is_regression:
    return CLASSIFIER
  return tuple(
    field._replace(dtype='float32', range=None)
    if field.name == 'label_ids'
    else field
    for field in CLASSIFIER
  )


def checksum(examples: Sequence[Example]) -> str:
  """Returns the SHA-256 of a split's texts and labels, which identifies it."""
  digest = hashlib.sha256()
  for example in examples:
    fields = (example.text_a, example.text_b, example.label)
    digest.update(repr(fields).encode())
  return digest.hexdigest()


def write_records(
  path: str,
  examples: Sequence[Example],
  task: Task,
  tokenizer: BertTokenizer,
  max_seq_length: int,
) -> None:
  """Writes a split's examples as records, padded to `max_seq_length`.

  An example without a label gets label 0, as in google-research/bert.

  Raises:
    UserError: there are no examples.
  """
  if not examples:
    raise UserError(f'there are no examples to write to {path}')
  fields = record_fields(task)
  with RecordWriter(path) as writer:
    for start in range(0, len(examples), _CHUNK):
      chunk = examples[start : start + _CHUNK]
      columns = _columns(chunk, task, tokenizer, max_seq_length)
      writer.write_framed(frame(serialize(columns, fields)))


def source(
  path: str, task: Task, tokenizer: BertTokenizer, max_seq_length: int
) -> RecordSource:
  """Returns the records that `write_records` wrote."""
  dims = {'S': max_seq_length, 'C': task.num_outputs}
  return RecordSource((path,), record_fields(task), dims, tokenizer.vocab_size)


def _columns(
  examples: Sequence[Example],
  task: Task,
  tokenizer: BertTokenizer,
  max_seq_length: int,
) -> dict[str, np.ndarray]:
  """Returns the fields of `record_fields`, [N, S] or [N, 1]."""
  ids, segments = encode_examples(
    tokenizer, examples, task.is_pair, max_seq_length
  )
  shape = [None, max_seq_length]
  mask = tf.sequence_mask(ids.row_lengths(), max_seq_length, tf.int64)
  labels = [
    0 if e.label is None else task.encode_label(e.label) for e in examples
  ]
  dtype = np.float32 if task.is_regression else np.int64
  return {
    'input_ids': ids.to_tensor(shape=shape).numpy().astype('int64'),
    'input_mask': mask.numpy(),
    'segment_ids': segments.to_tensor(shape=shape).numpy().astype('int64'),
    'label_ids': np.asarray(labels, dtype)[:, np.newaxis],
    'is_real_example': np.ones([len(examples), 1], np.int64),
  }
