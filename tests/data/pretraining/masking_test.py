"""Masking of tokens, by google-research/bert, ALBERT and SpanBERT."""

import numpy as np
import pytest

from data.pretraining import masking
from data.pretraining.masking import Masks, SpecialTokens
from data.pretraining.options import MaskingOptions
from data.pretraining.randomness import below, stream_key, uniform

CLS, SEP, MASK = 1, 2, 3
# Ids 0 to 9; 7, 8 and 9 are '##' pieces.
SPECIAL = SpecialTokens(CLS, SEP, MASK, continuation=np.arange(10) >= 7)


def options(num: int = 20, prob: float = 0.15, **others) -> MaskingOptions:
  return MaskingOptions(num, prob, **others)


def record(*segments: list[int]) -> np.ndarray:
  (a, b) = segments
  return np.array([[CLS, *a, SEP, *b, SEP]], np.int32)


def mask(ids: np.ndarray, settings: MaskingOptions, seed: int = 0) -> Masks:
  """Masks records without padding, with their first [SEP]."""
  count, length = ids.shape
  return masking.mask(
    ids,
    np.full(count, length),
    np.argmax(ids == SEP, axis=1),
    masking.record_states(stream_key(seed), np.arange(count)),
    SPECIAL,
    settings,
  )


def shapes(ids: np.ndarray, settings: MaskingOptions) -> set[tuple[int, ...]]:
  """Returns the sets of positions that are masked in many trials."""
  masks = mask(np.repeat(ids, 300, axis=0), settings)
  return {
    tuple(row[weights > 0].tolist())
    for row, weights in zip(masks.positions, masks.weights, strict=True)
  }


def test_num_to_mask_rounds_half_to_even_within_its_limits():
  lengths = np.array([5, 10, 30, 128, 200])
  # 0.75 → 1, 1.5 → 2, 4.5 → 4, 19.2 → 19, 30 → at most 20.
  assert masking.num_to_mask(lengths, options()).tolist() == [1, 2, 4, 19, 20]
  assert masking.num_to_mask(np.array([5]), options(20, 0.01)).tolist() == [1]


def units(ids: np.ndarray, first_sep: int) -> list[int]:
  """Returns where the units of whole words begin, and the end of the last."""
  starts = np.full(len(ids) + 1, -1)
  count = masking._find_units(
    ids, len(ids), first_sep, SPECIAL.continuation, starts
  )
  assert (starts[count + 1 :] == -1).all()
  return starts[: count + 1].tolist()


def test_units_are_words():
  assert units(record([4, 7, 5], [6, 8])[0], 4) == [1, 3, 5, 7]
  # A word continues after [SEP], but none before the first one.
  assert units(record([7, 8, 4], [9, 5])[0], 4) == [1, 3, 6, 7]


def test_tokens_of_units_are_counted_without_sep():
  # Words at 1 and 2, around a [SEP] at 3; then words at 5 and 6.
  starts = np.array([1, 2, 5, 6, 7])
  for (first, last), expected in {
    (0, 1): 1,
    (1, 2): 2,
    (0, 2): 3,
    (2, 4): 2,
  }.items():
    assert masking._num_tokens(starts, first, last, 3) == expected


@pytest.mark.parametrize(
  ('first', 'last', 'budget', 'expected'),
  [
    (0, 2, 9, 2),  # Fits.
    (0, 2, 3, 1),  # The second word has two tokens.
    (0, 2, 4, 2),
    (0, 1, 1, 0),  # Not even one word fits.
    (0, 9, 9, 2),  # Spans end with their segment ...
    (1, 3, 9, 2),
    (2, 9, 9, 4),  # ... or the text.
    (3, 9, 9, 4),
  ],
)
def test_spans_are_shortened(first, last, budget, expected):
  # A has words of 2 tokens at 1 and 3, B words of 1 token at 6 and 7.
  starts = np.array([1, 3, 6, 7, 8])
  assert masking._shorten(starts, first, last, 5, budget) == expected


def test_one_common_position_is_an_overlap():
  chosen = np.array([False, True, False, False, True])
  assert masking._overlaps(chosen, 0, 2)
  assert masking._overlaps(chosen, 1, 3)
  assert masking._overlaps(chosen, 0, 5)
  assert not masking._overlaps(chosen, 2, 4)


def test_draws_of_a_record_come_in_their_order():
  """A run that is resumed under another version must continue its masks."""
  ids = np.repeat(record([4, 5, 6, 7], [4, 5, 6]), 50, axis=0)
  states = masking.record_states(stream_key(0), np.arange(50))
  masks = mask(changed := ids.copy(), options(3, 0.99))
  for row, state in enumerate(states):
    left = [1, 2, 3, 4, 6, 7, 8]
    chosen = []
    for i in range(3):
      state, more = below(np.uint64(state), 7 - i)
      chosen.append(left[i + more])
      left[i + more] = left[i]
    assert masks.positions[row].tolist() == sorted(chosen)
    for position in sorted(chosen):
      state, draw = uniform(np.uint64(state))
      token = MASK if draw < 0.8 else ids[row, position]
      if draw >= 0.9:
        state, token = below(np.uint64(state), 10)
      assert changed[row, position] == token


@pytest.mark.parametrize('settings', [options(), options(max_ngram=4)])
def test_wordpieces_fill_the_budget_exactly(settings):
  rng = np.random.default_rng(0)
  ids = rng.integers(4, 10, (500, 40)).astype(np.int32)
  ids[:, 0], ids[:, 17], ids[:, 39] = CLS, SEP, SEP
  masks = mask(ids, settings)
  assert (masks.weights.sum(axis=1) == round(40 * 0.15)).all()
  assert not np.isin(masks.labels[masks.weights > 0], [CLS, SEP]).any()


def test_all_tokens_are_masked_if_the_budget_allows():
  assert shapes(record([4, 5], [6]), options(9, 0.99)) == {(1, 2, 4)}


def test_every_token_is_equally_likely():
  ids = np.repeat(record([4] * 5, [4] * 5), 20_000, axis=0)
  masks = mask(ids, options(3, 0.99))
  counts = np.bincount(masks.positions.ravel(), minlength=13)
  # Standard error of a share sqrt(0.3 * 0.7 / 20,000) = 0.0032.
  shares = counts[[1, 2, 3, 4, 5, 7, 8, 9, 10, 11]] / 20_000
  np.testing.assert_allclose(shares, 0.3, atol=0.015)


def test_whole_words_are_masked_whole():
  rng = np.random.default_rng(5)
  ids = rng.integers(4, 10, (400, 30)).astype(np.int32)
  ids[:, 0], ids[:, 12], ids[:, 29] = CLS, SEP, SEP
  before = ids.copy()
  masks = mask(ids, options(do_whole_word_mask=True))
  chosen = np.zeros(ids.shape, bool)
  rows, slots = np.nonzero(masks.weights)
  chosen[rows, masks.positions[rows, slots]] = True
  assert (chosen.sum(axis=1) <= round(30 * 0.15)).all()
  # A word's further pieces are masked if its first is.
  inside = before >= 7
  inside[:, [1, 13]] = False
  rows, columns = np.nonzero(inside)
  np.testing.assert_array_equal(
    chosen[rows, columns], chosen[rows, columns - 1]
  )


def test_word_that_does_not_fit_is_skipped():
  # One word of 3 pieces and one of 1; only the second fits a budget of 2.
  settings = options(2, 0.9, do_whole_word_mask=True)
  assert shapes(record([4, 7, 8], [5]), settings) == {(5,)}


def test_word_continues_after_sep():
  # B cut to begin within a word belongs to the last word of A, as in the
  # original: positions 2 and 4 around a [SEP].
  settings = options(2, 0.9, do_whole_word_mask=True)
  expected = {(1,), (2, 4)}
  assert shapes(record([4, 5], [7]), settings) == expected


def test_spans_lie_in_one_segment():
  settings = options(2, 0.99, max_ngram=2)
  found = shapes(record([4, 5, 6], [4, 5]), settings)
  # Two spans of 1 may be any two tokens; (3, 5) is never one span.
  assert {(1, 2), (2, 3), (5, 6)} <= found
  long_spans = options(2, 0.99, max_ngram=100, ngram_distribution='geometric')
  ids = np.repeat(record([4, 5, 6], [4, 5]), 3000, axis=0)
  masks = mask(ids, long_spans)
  neighbours = np.diff(masks.positions, axis=1)[:, 0] == 1
  # 0.8 of the spans are longer than 1, and are cut to 2, except those that
  # begin at the end of a segment, 2 of 5, whose length is 1.
  assert 0.5 < neighbours.mean() < 0.75


def test_spans_of_whole_words():
  settings = options(4, 0.99, max_ngram=2, do_whole_word_mask=True)
  found = shapes(record([4, 7, 5, 8], [6]), settings)
  assert (1, 2, 3, 4) in found
  assert all(len(set(shape) & {1, 2}) != 1 for shape in found)


@pytest.mark.parametrize(
  'distribution, expected',
  [
    # 1 : 1/2 : 1/3, of 11/6.
    ('inverse', [6 / 11, 9 / 11, 1.0]),
    # 0.8 : 0.64 : 0.512, of 1.952.
    ('geometric', [0.8 / 1.952, 1.44 / 1.952, 1.0]),
  ],
)
def test_span_lengths(distribution, expected):
  settings = options(max_ngram=3, ngram_distribution=distribution)
  np.testing.assert_allclose(masking.span_lengths(settings), expected)


def test_spans_have_the_lengths_of_their_distribution():
  # Each record has one span, whose length is the first draw.
  ids = np.repeat(record([4] * 300, [4]), 4000, axis=0)
  long = options(1000, 0.001, max_ngram=3)
  assert mask(ids.copy(), long).weights.sum() == 4000  # Cut to the budget, 1.
  masks = mask(ids, options(3, 0.99, max_ngram=3))
  starts = np.diff(masks.positions, axis=1) != 1
  # Three tokens: one span of 3, or 2 + 1, or three of 1, which rarely touch.
  assert abs((starts.sum(axis=1) == 0).mean() - 2 / 11) < 0.03


def test_one_in_three_spans_of_at_most_two_units_has_two():
  ids = np.repeat(record([4] * 300, [4]), 1000, axis=0)
  masks = mask(ids, options(2, 0.99, max_ngram=2))
  neighbours = np.diff(masks.positions, axis=1)[:, 0] == 1
  # 1/2 of 1 + 1/2. Standard error sqrt(2/9 / 1000) = 0.015.
  assert abs(neighbours.mean() - 1 / 3) < 0.06


def test_labels_restore_the_tokens():
  rng = np.random.default_rng(0)
  ids = rng.integers(4, 10, (50, 20)).astype(np.int32)
  ids[:, 0], ids[:, 9], ids[:, 19] = CLS, SEP, SEP
  before = ids.copy()
  masks = mask(ids, options(7, 0.3))
  rows, slots = np.nonzero(masks.weights)
  assert (ids != before).any()
  ids[rows, masks.positions[rows, slots]] = masks.labels[rows, slots]
  np.testing.assert_array_equal(ids, before)


def test_masks_are_padded_with_zeros():
  masks = mask(record([4, 5], [6]), options(5, 0.99))
  assert masks.positions.tolist() == [[1, 2, 4, 0, 0]]
  assert masks.labels.tolist() == [[4, 5, 6, 0, 0]]
  assert masks.weights.tolist() == [[1, 1, 1, 0, 0]]
  assert masks.weights.dtype == np.float32


def test_masked_tokens_are_replaced_by_their_shares():
  ids = np.full((5000, 23), 5, np.int32)
  ids[:, 0], ids[:, 11], ids[:, 22] = CLS, SEP, SEP
  mask(ids, options(20, 0.99))
  text = np.delete(ids, [0, 11, 22], axis=1)
  share = np.bincount(text.ravel(), minlength=10) / text.size
  # 80 % [MASK], 10 % kept, 10 % any of the ten ids, those two among them.
  expected = np.full(10, 0.01)
  expected[MASK] += 0.8
  expected[5] += 0.1
  np.testing.assert_allclose(share, expected, atol=0.005)


def test_masks_depend_on_the_stream_only():
  ids = np.repeat(record([4] * 30, [5] * 30), 4, axis=0)
  alone, together = ids[2:3].copy(), ids.copy()
  masks = mask(together, options())
  masking.mask(
    alone,
    np.array([63]),
    np.array([31]),
    masking.record_states(stream_key(0), np.array([2])),
    SPECIAL,
    options(),
  )
  np.testing.assert_array_equal(alone[0], together[2])
  assert (masks.positions[0] != masks.positions[1]).any()
