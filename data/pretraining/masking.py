"""Masks tokens of records, as google-research/bert, ALBERT and SpanBERT do.

A record's masks are drawn from a stream of its own, so that they can be drawn
when the record is made, or anew in each epoch of training.

Letters: N records, S sequence, P predictions, V vocabulary.
"""

from typing import NamedTuple

import numpy as np

from data.pretraining.options import MaskingOptions
from data.pretraining.randomness import below, stream, uniform
from system.compiled import compiled

_MASK_SHARE = 0.8
_KEEP_SHARE = 0.1  # The rest, 0.1, becomes a random token.
# SpanBERT's parameter: a run goes on with probability 0.8.
_GEOMETRIC = 0.2


class Special(NamedTuple):
  """The ids that are put in, and what must be known of the others."""

  cls_id: int
  sep_id: int
  mask_id: int
  continuation: np.ndarray  # bool [V], True for '##' pieces


class Masks(NamedTuple):
  """The masked tokens of a batch, padded with zeros to P."""

  positions: np.ndarray  # int32 [N, P], ascending
  labels: np.ndarray  # int32 [N, P], the ids before masking
  weights: np.ndarray  # float32 [N, P], 1.0 real, 0.0 padding


def num_to_mask(lengths: np.ndarray, options: MaskingOptions) -> np.ndarray:
  """Returns how many tokens to mask at most; int64 [N].

  The share counts [CLS] and [SEP] too, is rounded half to even, and is at least
  one token and at most P.

  Args:
    lengths: int64 [N], tokens with [CLS] and [SEP].
    options: the share, and P.
  """
  wanted = np.rint(lengths * options.masked_lm_prob).astype(np.int64)
  return np.clip(wanted, 1, options.max_predictions_per_seq)


def span_lengths(options: MaskingOptions) -> np.ndarray:
  """Returns how likely runs of at most 1, 2, ... units are; float64 [n].

  `inverse`: a run of n has a probability in proportion to 1 / n (ALBERT,
  arXiv 1909.11942, equation 3.1); `geometric`: in proportion to 0.8 ** n
  (SpanBERT, arXiv 1907.10529, section 3.1).
  """
  lengths = np.arange(1, options.max_ngram + 1)
  weights = 1 / lengths
  if options.ngram_distribution == 'geometric':
    weights = (1 - _GEOMETRIC) ** lengths
  shares = np.cumsum(weights) / weights.sum()
  shares[-1] = 1.0  # Whatever was lost in rounding.
  return shares


def mask(
  ids: np.ndarray,
  lengths: np.ndarray,
  first_seps: np.ndarray,
  states: np.ndarray,
  special: Special,
  options: MaskingOptions,
) -> Masks:
  """Masks records in place.

  Units (wordpieces, or with `do_whole_word_mask` whole words) are gone through
  in random order. At each begins a run of units, which is shortened until it
  fits what is left to mask; one that meets another run is left out. With runs
  of 1 that is google-research/bert's algorithm. A continued word at the start
  of B belongs to the last word of A there, and here; a longer run never goes
  from A into B. A masked token becomes [MASK] in 80 % of the cases, any token
  of the vocabulary in 10 %, and stays in 10 %.

  Args:
    ids: int32 [N, S], `[CLS] A [SEP] B [SEP]`, padded.
    lengths: int64 [N], tokens without padding.
    first_seps: int64 [N], the position of the first [SEP].
    states: uint64 [N], each record's stream.
    special: the ids, and V.
    options: what to mask.

  Returns:
    What was masked.
  """
  shape = (len(ids), options.max_predictions_per_seq)
  masks = Masks(
    np.zeros(shape, np.int32),
    np.zeros(shape, np.int32),
    np.zeros(shape, np.float32),
  )
  # Single wordpieces are words that nothing continues.
  continuation = special.continuation & options.do_whole_word_mask
  _mask(
    ids,
    lengths,
    first_seps,
    states,
    num_to_mask(lengths, options),
    span_lengths(options),
    continuation,
    special.mask_id,
    *masks,
  )
  return masks


@compiled
def _mask(
  ids,
  lengths,
  first_seps,
  states,
  budgets,
  span_lengths,
  continuation,
  mask_id,
  positions,
  labels,
  weights,
):
  size = ids.shape[1]
  starts = np.empty(size + 1, np.int64)
  order = np.empty(size, np.int64)
  chosen = np.empty(size, np.bool_)
  for row in range(len(ids)):
    num_units = _find_units(
      ids[row], lengths[row], first_seps[row], continuation, starts
    )
    state = _choose(
      states[row],
      starts[: num_units + 1],
      first_seps[row],
      budgets[row],
      span_lengths,
      order,
      chosen[: lengths[row]],
    )
    slot = 0
    for position in range(1, lengths[row] - 1):
      if not chosen[position] or position == first_seps[row]:
        continue
      label = ids[row, position]
      positions[row, slot] = position
      labels[row, slot] = label
      weights[row, slot] = 1.0
      slot += 1
      state, draw = uniform(state)
      if draw < _MASK_SHARE:
        ids[row, position] = mask_id
      elif draw >= _MASK_SHARE + _KEEP_SHARE:
        state, other = below(state, len(continuation))
        ids[row, position] = other


@compiled
def _find_units(ids, length, first_sep, continuation, starts):
  """Finds where units begin; returns how many, their end in `starts` too.

  A unit that goes on after [SEP] has it between its tokens.
  """
  count = 0
  for position in range(1, length - 1):
    if position != first_sep and (
      count == 0 or not continuation[ids[position]]
    ):
      starts[count] = position
      count += 1
  starts[count] = length - 1
  return count


@compiled
def _choose(state, starts, first_sep, budget, span_lengths, order, chosen):
  """Marks the tokens to mask in `chosen`; returns the next state."""
  num_units = len(starts) - 1
  for i in range(len(chosen)):
    chosen[i] = False
  for i in range(num_units):
    order[i] = i
  covered = 0
  for i in range(num_units):
    if covered == budget:
      break
    state, more = below(state, num_units - i)
    first, order[i + more] = order[i + more], order[i]
    last = first + 1
    if len(span_lengths) > 1:
      state, draw = uniform(state)
      while draw >= span_lengths[last - first - 1]:
        last += 1
    last = _fitting(starts, first, last, first_sep, budget - covered)
    if last == first or _meets(chosen, starts[first], starts[last]):
      continue
    covered += _num_tokens(starts, first, last, first_sep)
    for position in range(starts[first], starts[last]):
      chosen[position] = True
  return state


@compiled
def _num_tokens(starts, first, last, first_sep):
  """Counts the tokens of units first to last - 1, [SEP] left out."""
  tokens = starts[last] - starts[first]
  return tokens - (starts[first] < first_sep < starts[last])


@compiled
def _fitting(starts, first, last, first_sep, room):
  """Shortens a run until it fits; returns `first` if not even one unit does."""
  last = min(last, len(starts) - 1)
  while last > first:
    crosses = starts[first] < first_sep and starts[last - 1] > first_sep
    if not crosses and _num_tokens(starts, first, last, first_sep) <= room:
      break
    last -= 1
  return last


@compiled
def _meets(chosen, start, end):
  """Says whether any of these positions is chosen already."""
  num_chosen = 0
  for position in range(start, end):
    num_chosen += chosen[position]
  return num_chosen > 0


@compiled
def record_states(key, numbers):
  """Returns the streams of the records of these numbers; uint64 [N]."""
  states = np.empty(len(numbers), np.uint64)
  for i in range(len(numbers)):
    states[i] = stream(key, numbers[i])
  return states
