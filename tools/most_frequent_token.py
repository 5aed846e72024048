r"""Computes the masked-LM accuracy of always predicting the same token.

  python -m tools.most_frequent_token --input_file='heldout.tfrecord*' \
    --vocab_file=vocab.txt

The token is the most frequent one. Its accuracy is the floor for pre-trained
models.
"""

import itertools

import numpy as np
from absl import flags

from cli import flag_group, script
from data.pretraining import input_records
from data.text.vocabulary import load_vocabulary
from system.errors import UserError, reason_of

FLAGS = flags.FLAGS

_CHUNK = 1024  # Records parsed in one call.


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_file', None, 'Pre-training TFRecords: globs, separated by commas.'
  )
  flags.DEFINE_string('vocab_file', None, "The records' vocabulary.")
  flags.DEFINE_integer(
    'max_records', None, 'Read only this many records.', lower_bound=1
  )


def count_masked(
  paths: list[str], max_records: int | None, vocab_size: int
) -> np.ndarray:
  """Counts how often each token id is masked.

  Args:
    paths: pre-training TFRecord files.
    max_records: number of records to read; None for all.
    vocab_size: V.

  Returns:
    int64 [V].

  Raises:
    UserError: a file is damaged, holds other records or those of another
      vocabulary, or no token is masked.
  """
  from data.records import record_reader

  counts = np.zeros([vocab_size], np.int64)
  num_left = max_records
  for path in paths:
    source = record_reader.read(path, num_left)
    while chunk := list(itertools.islice(source, _CHUNK)):
      ids = _masked_ids(chunk, path, vocab_size)
      counts += np.bincount(ids, minlength=vocab_size)
      num_left = None if num_left is None else num_left - len(chunk)
    if num_left == 0:
      break
  if not counts.any():
    raise UserError(f'{", ".join(paths)}: no token is masked')
  return counts


def _masked_ids(
  serialized: list[bytes], path: str, vocab_size: int
) -> np.ndarray:
  """Returns the masked token ids of records, int64 [N]."""
  import tensorflow as tf

  spec = {
    'masked_lm_ids': tf.io.RaggedFeature(tf.int64),
    'masked_lm_weights': tf.io.RaggedFeature(tf.float32),
  }
  try:
    parsed = tf.io.parse_example(serialized, spec)
    is_real = parsed['masked_lm_weights'] > 0
    ids = tf.ragged.boolean_mask(parsed['masked_lm_ids'], is_real)
  except (tf.errors.InvalidArgumentError, ValueError) as error:
    raise UserError(
      f'{path} holds no pre-training records: {reason_of(error)}'
    ) from error
  ids = ids.flat_values.numpy()
  if len(ids) and not 0 <= ids.min() <= ids.max() < vocab_size:
    raise UserError(
      f'{path} has token ids from {ids.min()} to {ids.max()}, expected 0 to '
      f'{vocab_size - 1}: it was made with another vocabulary'
    )
  return ids


def main(_: list[str]) -> None:
  """Prints the most frequent token and its share."""
  flag_group.require('input_file', 'vocab_file')
  tokens = load_vocabulary(FLAGS.vocab_file).tokens
  counts = count_masked(
    input_records.expand(FLAGS.input_file), FLAGS.max_records, len(tokens)
  )
  best = int(counts.argmax())
  print(f'most_frequent_token = {tokens[best]}')
  print(f'masked_lm_accuracy = {counts[best] / counts.sum()}')
  print(f'masked_lm_count = {counts.sum()}')


if __name__ == '__main__':
  define_flags()
  script.run(main)
