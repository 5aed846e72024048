"""What always guessing one token would score on pre-training records.

The floor that a masked-LM accuracy is to be compared with.
"""

import numpy as np
from absl import flags

from cli import script

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_file', None, 'Pre-training TFRecords: globs, separated by commas.'
  )
  flags.DEFINE_string('vocab_file', None, "The records' vocabulary.")
  flags.DEFINE_integer(
    'max_records', None, 'Count the first so many records only.', lower_bound=1
  )


def count_masked(paths: list[str], max_records: int | None) -> np.ndarray:
  """Counts how often each token id is behind a mask, int64 [V]."""
  import tensorflow as tf

  spec = {
    'masked_lm_ids': tf.io.VarLenFeature(tf.int64),
    'masked_lm_weights': tf.io.VarLenFeature(tf.float32),
  }
  counts = np.zeros([0], np.int64)
  dataset = tf.data.TFRecordDataset(paths).take(max_records or -1)
  for serialized in dataset.batch(1024):
    parsed = tf.io.parse_example(serialized, spec)
    ids = parsed['masked_lm_ids'].values.numpy()
    ids = ids[parsed['masked_lm_weights'].values.numpy() > 0]
    more = np.bincount(ids, minlength=len(counts))
    more[: len(counts)] += counts
    counts = more
  return counts


def main(_: list[str]) -> None:
  """Prints the most frequent token and its share."""
  script.require('input_file', 'vocab_file')
  from data import files, tokenization

  vocabulary = tokenization.load_vocabulary(FLAGS.vocab_file)
  counts = count_masked(files.expand(FLAGS.input_file), FLAGS.max_records)
  best = int(counts.argmax())
  print(f'most_frequent_token = {vocabulary.tokens[best]}')
  print(f'masked_lm_accuracy = {counts[best] / counts.sum()}')
  print(f'masked_lm_count = {counts.sum()}')


if __name__ == '__main__':
  define_flags()
  script.run(main)
