"""Classifier records: sentences and pairs as token ids and segments.

  one text    [CLS] the dog barks [SEP]            segments 0 0 0 0 0
  a pair      [CLS] is it ? [SEP] no , it is [SEP]  0 up to the first [SEP],
                                                    then 1

The functions on tensors use TensorFlow ops only, so a SavedModel can hold them.
"""

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
from data.text.tokenization import BertTokenizer
from system.errors import UserError

# Examples tokenized and serialized in one call.
_CHUNK = 10_000


def encode_texts(
  tokenizer: BertTokenizer,
  texts_a: Sequence[str],
  texts_b: Sequence[str] | None,
  max_seq_length: int,
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
  """Tokenizes texts or pairs and adds [CLS] and [SEP].

  Args:
    tokenizer: BERT's tokenizer.
    texts_a: N strings.
    texts_b: N strings, or None for single sentences.
    max_seq_length: S; longer inputs are cut, the longer text of a pair first.

  Returns:
    `input_ids` and `segment_ids`, int32 [N, (tokens)], at most S a row.
  """
  a = tokenizer.tokenize(texts_a)
  if texts_b is None:
    kept_a = tf.minimum(a.row_lengths(), max_seq_length - 2)
    return _assemble(tokenizer, [_first(a, kept_a)])
  b = tokenizer.tokenize(texts_b)
  # As in BERT, a text B without tokens has no [SEP].
  num_special = tf.where(b.row_lengths() > 0, 3, 2)
  kept_a, kept_b = trimmed_lengths(
    a.row_lengths(),
    b.row_lengths(),
    tf.cast(max_seq_length - num_special, tf.int64),
  )
  return _assemble(tokenizer, [_first(a, kept_a), _first(b, kept_b)])


def trimmed_lengths(
  length_a: tf.Tensor, length_b: tf.Tensor, limit: tf.Tensor | int
) -> tuple[tf.Tensor, tf.Tensor]:
  """Computes how many tokens of each text of a pair are kept.

  BERT removes one token at a time from the end of the longer text, from B if
  both are equally long. So either only one text is cut, or both end at half of
  the limit, A with the odd token.

  Args:
    length_a: int64 [N].
    length_b: int64 [N].
    limit: the most tokens of both together, int64 [N] or a number.

  Returns:
    The two lengths, int64 [N].
  """
  half = -(-limit // 2)
  kept_a = tf.minimum(length_a, tf.maximum(limit - length_b, half))
  return kept_a, tf.minimum(length_b, limit - kept_a)


def _first(rows: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
  """Returns the first `lengths` values of each row."""
  positions = tf.ragged.range(rows.row_lengths())
  return tf.ragged.boolean_mask(rows, positions < lengths[:, tf.newaxis])


def _assemble(
  tokenizer: BertTokenizer, parts: list[tf.RaggedTensor]
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
  """Joins [CLS] and the texts, each with its [SEP]; see `encode_texts`."""
  column = tf.ones([parts[0].nrows(), 1], tf.int32)
  ids = [column * tokenizer.cls_id]
  segments = [column * 0]
  for segment, part in enumerate(parts):
    ends = part.row_lengths() > 0 if segment else tf.fill([part.nrows()], True)
    separator = tf.ragged.boolean_mask(column, ends[:, tf.newaxis])
    ids += [part, separator * tokenizer.sep_id]
    segments += [tf.ones_like(part) * segment, separator * segment]
  return tf.concat(ids, axis=1), tf.concat(segments, axis=1)


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
  texts_b = [e.text_b for e in examples] if task.is_pair else None
  ids, segments = encode_texts(
    tokenizer, [e.text_a for e in examples], texts_b, max_seq_length
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
