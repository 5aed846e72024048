"""Masks tokens of records, as google-research/bert, ALBERT and SpanBERT do.

Each record has its own random stream, so its masks can be drawn when the record
is made, or anew in each epoch of training.

Letters: N records, S sequence, P predictions, V vocabulary.
"""

from typing import NamedTuple

import numpy as np

from data.pretraining.options import MaskingOptions
from data.pretraining.randomness import below, stream, uniform
from data.text.vocabulary import CLS, MASK, SEP, Vocabulary
from system.numba_jit import jit

_MASK_SHARE = 0.8
_KEEP_SHARE = 0.1  # The rest, 0.1, becomes a random token.
# SpanBERT's parameter p: another unit joins a span with probability 1 - p.
_GEOMETRIC = 0.2


class SpecialTokens(NamedTuple):
  """The ids of special tokens, and which tokens continue a word."""

  cls_id: int
  sep_id: int
  mask_id: int
  continuation: np.ndarray  # bool [V], True for '##' pieces

  @classmethod
  def of(cls, vocabulary: Vocabulary) -> 'SpecialTokens':
    """Returns those of a vocabulary."""
    ids = (vocabulary.ids[token] for token in (CLS, SEP, MASK))
    return cls(*ids, vocabulary.continuation_mask)


class Masks(NamedTuple):
  """The masked tokens of a batch, padded with zeros to P."""

  positions: np.ndarray  # int32 [N, P], ascending
  labels: np.ndarray  # int32 [N, P], the ids before masking
  weights: np.ndarray  # float32 [N, P], 1.0 real, 0.0 padding


def num_to_mask(lengths: np.ndarray, options: MaskingOptions) -> np.ndarray:
  """Returns the maximum number of tokens to mask in each record; int64 [N].

  The share counts [CLS] and [SEP] too, is rounded half to even, and is clipped
  to 1 to P tokens.

  Args:
    lengths: int64 [N], tokens with [CLS] and [SEP].
    options: the share, and P.
  """
  budgets = np.rint(lengths * options.masked_lm_prob).astype(np.int64)
  return np.clip(budgets, 1, options.max_predictions_per_seq)


def span_lengths(options: MaskingOptions) -> np.ndarray:
  """Returns the cumulative distribution of the lengths of spans, float64 [n].

  Element i is the probability of at most i + 1 units. `inverse`: a span of n
  has a probability in proportion to 1 / n (ALBERT, arXiv 1909.11942, equation
  3.1); `geometric`: in proportion to 0.8 ** n (SpanBERT, arXiv 1907.10529,
  section 3.1).
  """
  lengths = np.arange(1, options.max_ngram + 1)
  weights = 1 / lengths
  if options.ngram_distribution == 'geometric':
    weights = (1 - _GEOMETRIC) ** lengths
  shares = np.cumsum(weights) / weights.sum()
  shares[-1] = 1.0  # Rounding may have lost a bit.
  return shares


def continuation_of_units(
  special: SpecialTokens, options: MaskingOptions
) -> np.ndarray:
  """Returns which tokens belong to the unit before them; bool [V].

  Without `do_whole_word_mask`, each wordpiece is a separate unit.
  """
  return special.continuation & options.do_whole_word_mask


def mask(
  ids: np.ndarray,
  lengths: np.ndarray,
  first_seps: np.ndarray,
  states: np.ndarray,
  special: SpecialTokens,
  options: MaskingOptions,
) -> Masks:
  """Masks records in place.

  Visits units (wordpieces, or whole words with `do_whole_word_mask`) in random
  order. A span of units begins at each; it is shortened until it fits the
  tokens left to mask, and skipped if it overlaps another span. With spans of 1
  this is google-research/bert's algorithm. As there, a word continued at the
  start of B belongs to the last word of A; longer spans never cross from A into
  B. 80 % of the masked tokens become [MASK], 10 % a random token of the
  vocabulary, and 10 % stay as they are.

  Args:
    ids: int32 [N, S], `[CLS] A [SEP] B [SEP]`, padded.
    lengths: int64 [N], tokens without padding.
    first_seps: int64 [N], the position of the first [SEP].
    states: uint64 [N], each record's stream.
    special: the special tokens of the vocabulary.
    options: what to mask.

  Returns:
    The masked tokens.
  """
  shape = (len(ids), options.max_predictions_per_seq)
  masks = Masks(
    np.zeros(shape, np.int32),
    np.zeros(shape, np.int32),
    np.zeros(shape, np.float32),
  )
  mask_rows(
    ids,
    lengths,
    first_seps,
    states,
    num_to_mask(lengths, options),
    span_lengths(options),
    continuation_of_units(special, options),
    special.mask_id,
    *masks,
  )
  return masks


@jit
def mask_rows(
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
  """Masks `ids` in place, and fills the arrays of `Masks`; see `mask`."""
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


@jit
def _find_units(ids, length, first_sep, continuation, starts):
  """Fills `starts` with the units' first positions, and the last one's end.

  A unit that continues after [SEP] has the [SEP] between its tokens.

  Returns:
    The number of units.
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


@jit
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
    last = _shorten(starts, first, last, first_sep, budget - covered)
    if last == first or _overlaps(chosen, starts[first], starts[last]):
      continue
    covered += _num_tokens(starts, first, last, first_sep)
    for position in range(starts[first], starts[last]):
      chosen[position] = True
  return state


@jit
def _num_tokens(starts, first, last, first_sep):
  """Counts the tokens of units first to last - 1, without [SEP]."""
  tokens = starts[last] - starts[first]
  return tokens - (starts[first] < first_sep < starts[last])


@jit
def _shorten(starts, first, last, first_sep, budget):
  """Shortens a span until it is in one segment and fits the budget.

  Returns:
    The end of the span; `first` if not even one unit fits.
  """
  last = min(last, len(starts) - 1)
  while last > first:
    crosses = starts[first] < first_sep and starts[last - 1] > first_sep
    if not crosses and _num_tokens(starts, first, last, first_sep) <= budget:
      break
    last -= 1
  return last


@jit
def _overlaps(chosen, start, end):
  """Returns whether any position from start to end - 1 is chosen already."""
  num_chosen = 0
  for position in range(start, end):
    num_chosen += chosen[position]
  return num_chosen > 0


@jit
def record_states(key, numbers):
  """Returns the first state of each numbered record's stream; uint64 [N]."""
  states = np.empty(len(numbers), np.uint64)
  for i in range(len(numbers)):
    states[i] = stream(key, numbers[i])
  return states
