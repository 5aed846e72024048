"""Batches of token ids for runtimes other than TensorFlow.

Tested by `tests/serving/padded_batches_test.py`.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

FEATURES = ('input_ids', 'attention_mask', 'token_type_ids')


@dataclasses.dataclass(frozen=True)
class Batch:
  """Inputs of similar length.

  Attributes:
    rows: int64 [B], the numbers of the inputs.
    features: those of `FEATURES`, int64 [B, S].
  """

  rows: np.ndarray
  features: dict[str, np.ndarray]


def batches(
  ids: Sequence[Sequence[int]],
  segments: Sequence[Sequence[int]],
  batch_size: int,
  pad_id: int = 0,
) -> Iterator[Batch]:
  """Yields the inputs, the shortest first, each batch padded to its longest.

  Args:
    ids: N lists of token ids.
    segments: N lists of the same lengths: 0 for text A, 1 for text B.
    batch_size: B; the last batch may be smaller.
    pad_id: fills `input_ids`; the other two are filled with 0.
  """
  lengths = np.array([len(each) for each in ids], np.int64)
  order = np.argsort(lengths, kind='stable')
  for start in range(0, len(order), batch_size):
    rows = order[start : start + batch_size]
    shape = len(rows), int(lengths[rows].max())
    features = {
      'input_ids': np.full(shape, pad_id, np.int64),
      'attention_mask': np.zeros(shape, np.int64),
      'token_type_ids': np.zeros(shape, np.int64),
    }
    for i, row in enumerate(rows):
      features['input_ids'][i, : lengths[row]] = ids[row]
      features['attention_mask'][i, : lengths[row]] = 1
      features['token_type_ids'][i, : lengths[row]] = segments[row]
    yield Batch(rows, features)


def run(
  model: Callable[[dict[str, np.ndarray]], np.ndarray],
  ids: Sequence[Sequence[int]],
  segments: Sequence[Sequence[int]],
  batch_size: int,
  pad_id: int = 0,
) -> np.ndarray:
  """Returns a model's outputs in the order of the inputs, float32 [N, C].

  Args:
    model: maps the features of a batch to its outputs [B, C].
    ids, segments, batch_size, pad_id: as for `batches`; N > 0.
  """
  outputs: np.ndarray | None = None
  for batch in batches(ids, segments, batch_size, pad_id):
    values = model(batch.features)
    if outputs is None:
      outputs = np.empty([len(ids), values.shape[1]], np.float32)
    outputs[batch.rows] = values
  if outputs is None:
    raise ValueError('there is no input')
  return outputs
