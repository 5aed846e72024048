"""Pairs of segments → framed records, in one compiled call a batch.

Each return from compiled code waits for Python's global lock. On many cores a
batch must therefore be one call: with a call for each step, threads wait longer
than they work.

Letters: N records, S sequence, P predictions, W values of a record.

Tested by `tests/data/pretraining/block_records_test.py`.
"""

from typing import NamedTuple

import numpy as np

from data.pretraining import masking
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import RecordOptions
from data.records import feature_spec, serialization
from data.records.framing import frame_all
from data.records.serialization import Layout, serialize_rows
from system.numba_jit import jit


class Recipe(NamedTuple):
  """What the records of all blocks share.

  Attributes:
    cls_id, sep_id, mask_id: the special tokens.
    max_seq_length: S.
    num_predictions: P; 0 under dynamic masking.
    budgets: int64 [S + 1], the maximum number of tokens to mask, by length.
    span_lengths: see `masking.span_lengths`.
    continuation: bool [V], the tokens that belong to the unit before them.
    layout: the fields of a record, see `_fields_of`.
  """

  cls_id: int
  sep_id: int
  mask_id: int
  max_seq_length: int
  num_predictions: int
  budgets: np.ndarray
  span_lengths: np.ndarray
  continuation: np.ndarray
  layout: Layout


def recipe_of(special: SpecialTokens, options: RecordOptions) -> Recipe:
  """Returns the recipe for some options."""
  length = options.max_seq_length
  return Recipe(
    *special[:3],
    length,
    0 if options.dynamic_masking else options.max_predictions_per_seq,
    masking.num_to_mask(np.arange(length + 1), options),
    masking.span_lengths(options),
    masking.continuation_of_units(special, options),
    serialization.layout_of(*zip(*_fields_of(options), strict=True)),
  )


def _fields_of(options: RecordOptions) -> list[tuple[feature_spec.Field, int]]:
  """Returns a record's fields, in their order, and their numbers of values."""
  fields = feature_spec.PRETRAINING
  if options.dynamic_masking:
    fields = feature_spec.UNMASKED_PRETRAINING
  sizes = {'S': options.max_seq_length, 'P': options.max_predictions_per_seq}
  return [(field, sizes.get(field.length, 1)) for field in fields]


def columns_of(
  rows: np.ndarray, options: RecordOptions
) -> dict[str, np.ndarray]:
  """Returns the columns of rows: int32 or float32 [N, k] by field name."""
  columns, start = {}, 0
  for field, width in _fields_of(options):
    column = rows[:, start : start + width]
    is_float = field.dtype == 'float32'
    columns[field.name] = column.view(np.float32) if is_float else column
    start += width
  return columns


@jit
def make_rows(tokens, pairs, order, key, recipe):
  """Makes records `[CLS] A [SEP] B [SEP]`, padded with zeros and masked.

  Args:
    tokens: int32 [T], the tokens of which the pairs are spans.
    pairs: `Pairs`, truncated to fit.
    order: int64 [N], which pairs to take.
    key: the key of the masks' random streams; each pair has its own stream.
    recipe: the `Recipe`.

  Returns:
    int32 [N, W], the values of the fields side by side; the bits of floats.
  """
  size, num_predictions = recipe.max_seq_length, recipe.num_predictions
  width = 3 * size + 3 * num_predictions + 1
  rows = np.zeros((len(order), width), np.int32)
  lengths = np.empty(len(order), np.int64)
  first_seps = np.empty(len(order), np.int64)
  for i in range(len(order)):
    pair = order[i]
    first_seps[i] = 1 + pairs.a_length[pair]
    lengths[i] = first_seps[i] + pairs.b_length[pair] + 2
    _join(
      tokens,
      pairs.a_start[pair],
      pairs.b_start[pair],
      first_seps[i],
      lengths[i],
      recipe,
      rows[i],
    )
    rows[i, width - 1] = pairs.is_random_next[pair]
  if num_predictions:
    positions = 3 * size
    labels = positions + num_predictions
    weights = labels + num_predictions
    masking.mask_rows(
      rows[:, :size],
      lengths,
      first_seps,
      masking.record_states(key, order),
      recipe.budgets[lengths],
      recipe.span_lengths,
      recipe.continuation,
      recipe.mask_id,
      rows[:, positions:labels],
      rows[:, labels:weights],
      rows.view(np.float32)[:, weights : width - 1],
    )
  return rows


@jit
def _join(tokens, a_start, b_start, first_sep, length, recipe, row):
  """Fills the ids, the mask and the segments of a row, which are zero."""
  size = recipe.max_seq_length
  # Loops, because each assignment to a slice takes a second to compile.
  for i in range(1, first_sep):
    row[i] = tokens[a_start + i - 1]
  for i in range(first_sep + 1, length - 1):
    row[i] = tokens[b_start + i - first_sep - 1]
  row[0] = recipe.cls_id
  row[first_sep] = recipe.sep_id
  row[length - 1] = recipe.sep_id
  for i in range(length):
    row[size + i] = 1
  for i in range(first_sep + 1, length):
    row[2 * size + i] = 1


@jit
def make_framed(tokens, pairs, order, key, recipe, tables):
  """Makes records and frames them.

  Args:
    tokens, pairs, order, key, recipe: see `make_rows`.
    tables: `framing.TABLES`.

  Returns:
    The arrays of `Serialized`, and the fields of `RecordStatistics` but the
    first.
  """
  rows = make_rows(tokens, pairs, order, key, recipe)
  size, num_predictions = recipe.max_seq_length, recipe.num_predictions
  weights = 3 * size + 2 * num_predictions
  length_counts = np.zeros(size + 1, np.int64)
  masked = random_next = cut = 0
  for i in range(len(order)):
    pair = order[i]
    length_counts[pairs.a_length[pair] + pairs.b_length[pair] + 3] += 1
    random_next += pairs.is_random_next[pair]
    cut += pairs.num_cut[pair]
    for j in range(weights, weights + num_predictions):
      masked += rows[i, j] != 0
  buffer, ends = serialize_rows(rows, recipe.layout)
  framed, framed_ends = frame_all(buffer, ends, tables)
  return framed, framed_ends, length_counts, masked, random_next, cut
