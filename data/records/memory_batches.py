"""Inference batches of examples in memory: each once, sorted by length.

Tested by `tests/data/records/memory_batches_test.py`.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from data.records.length_buckets import inference_lengths

# The default batch size. Fewer rows would save little, and another number of
# rows may round differently.
_MIN_ROWS = 8


def useful_rows(batch_size: int, num_examples: int) -> int:
  """Returns the number of rows of a batch, at most B.

  It is smaller if the examples do not fill a batch of B rows.

  Args:
    batch_size: B.
    num_examples: the number of examples; B stands for any larger number.
  """
  return min(batch_size, max(_MIN_ROWS, num_examples))


def batches(
  ids: tf.RaggedTensor,
  segments: tf.RaggedTensor,
  batch_size: int,
  max_seq_length: int,
) -> Iterator[dict[str, np.ndarray]]:
  """Batches examples, all sorted by length.

  Args:
    ids: int32 [N, (tokens)].
    segments: int32 [N, (tokens)].
    batch_size: B. If there are fewer examples, a batch has fewer rows.
    max_seq_length: S, at least the length of the longest row.

  Yields:
    `input_ids`, `input_mask` and `segment_ids`, int32 [B, S'], and
    `example_index`, int64 [B], the row's number among the N examples; -1 for
    the rows of zeros that fill the last batch.
  """
  batch_size = useful_rows(batch_size, ids.nrows().numpy())
  allowed = np.array(inference_lengths(max_seq_length))
  lengths = ids.row_lengths().numpy()
  order = np.argsort(lengths, kind='stable')
  # NumPy, not tf.data: a dump scores shard after shard, and tracing a dataset
  # for each took longer than scoring a thousand texts.
  shape = [None, max_seq_length]
  columns = {
    'input_ids': ids.to_tensor(shape=shape).numpy(),
    'input_mask': np.int32(np.arange(max_seq_length) < lengths[:, np.newaxis]),
    'segment_ids': segments.to_tensor(shape=shape).numpy(),
  }
  for start in range(0, len(order), batch_size):
    rows = order[start : start + batch_size]
    width = allowed[np.searchsorted(allowed, lengths[rows[-1]])]
    padding = [[0, batch_size - len(rows)], [0, 0]]
    batch = {
      name: np.pad(column[rows, :width], padding)
      for name, column in columns.items()
    }
    batch['example_index'] = np.pad(rows, padding[0], constant_values=-1)
    yield batch
