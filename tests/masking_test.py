import numpy as np
import pytest

from data import masking
from data.masking import Documents, Pairs, Special

# Ids 0 to 9; 7, 8 and 9 are '##' pieces.
SPECIAL = Special(
  cls_id=1, sep_id=2, mask_id=3, continuation=np.arange(10) >= 7
)


def make_block(document_lengths: list[list[int]]) -> Documents:
  """Makes documents from the lengths of their sentences; token i is i."""
  lengths = np.concatenate(document_lengths)
  sentences = np.concatenate([[0], np.cumsum(lengths)])
  documents = np.concatenate([[0], np.cumsum([*map(len, document_lengths)])])
  tokens = np.arange(sentences[-1], dtype=np.int32)
  return Documents(tokens, sentences, documents)


def random_block(num_documents: int = 60) -> Documents:
  rng = np.random.default_rng(0)
  return make_block(
    [
      rng.integers(1, 40, rng.integers(1, 30)).tolist()
      for _ in range(num_documents)
    ]
  )


def document_of(block: Documents, token: np.ndarray) -> np.ndarray:
  starts = block.sentences[block.documents[:-1]]
  return np.searchsorted(starts, token, 'right') - 1


def sorted_pairs(pairs: Pairs) -> Pairs:
  return pairs.take(np.argsort(pairs.a_start))


def make_pairs(a_length: list[int], b_length: list[int]) -> Pairs:
  count = len(a_length)
  return Pairs(
    np.full(count, 100),
    np.array(a_length),
    np.full(count, 200),
    np.array(b_length),
    np.zeros(count, bool),
  )


@pytest.mark.parametrize('short_seq_prob', [0.0, 0.1, 1.0])
def test_pairs_rebuild_the_documents(short_seq_prob):
  block = random_block()
  pairs = sorted_pairs(
    masking.sample_pairs(block, 1000, short_seq_prob, masking.generator(1))
  )
  # Nothing was cut.
  assert (pairs.a_length + pairs.b_length).max() < 997
  b_used = np.where(pairs.is_random_next, 0, pairs.b_length)
  ends = pairs.a_start + pairs.a_length + b_used
  # What is A or an actual B covers the text once, in order, without a gap.
  assert pairs.a_start[0] == 0
  np.testing.assert_array_equal(pairs.a_start[1:], ends[:-1])
  assert ends[-1] == len(block.tokens)


def test_actual_next_follows_a_within_the_document():
  block = random_block()
  pairs = masking.sample_pairs(block, 1000, 0.5, masking.generator(2))
  actual = pairs.take(~pairs.is_random_next)
  np.testing.assert_array_equal(
    actual.b_start, actual.a_start + actual.a_length
  )
  np.testing.assert_array_equal(
    document_of(block, actual.a_start),
    document_of(block, actual.b_start + actual.b_length - 1),
  )


def test_random_next_begins_at_a_sentence_of_another_document():
  block = random_block()
  pairs = masking.sample_pairs(block, 1000, 0.5, masking.generator(3))
  drawn = pairs.take(pairs.is_random_next)
  assert np.isin(drawn.b_start, block.sentences).all()
  document = document_of(block, drawn.b_start)
  assert (document != document_of(block, drawn.a_start)).all()
  last = document_of(block, drawn.b_start + drawn.b_length - 1)
  np.testing.assert_array_equal(document, last)


def test_random_next_stops_at_the_first_sentence_that_fills_the_record():
  # A is the whole document of 2 tokens; B needs 10 - 2 = 8 tokens or more.
  block = make_block([[2], [3, 3, 3, 3, 3, 3]])
  pairs = masking.sample_pairs(block, 103, 0.0, masking.generator(0))
  assert pairs.b_length[pairs.a_start == 0][0] % 3 == 0
  pairs = masking.sample_pairs(block, 13, 0.0, masking.generator(0))
  # 9 tokens reach 8 and one is cut again, unless the document ends before.
  assert pairs.b_length[pairs.a_start == 0][0] in (3, 6, 8)


def test_single_sentence_has_a_random_next():
  block = make_block([[3], [4], [5]])
  pairs = masking.sample_pairs(block, 128, 0.1, masking.generator(0))
  assert pairs.is_random_next.tolist() == [True] * 3


def test_document_alone_in_its_block_is_its_own_random_next():
  block = make_block([[3, 4, 5, 6, 7]])
  pairs = masking.sample_pairs(block, 16, 0.0, masking.generator(0))
  assert pairs.is_random_next.any()
  assert (pairs.b_start + pairs.b_length <= 25).all()


def test_other_documents_are_equally_likely():
  draws = (np.arange(30_000) + 0.5) / 30_000
  chosen = masking._other_documents(np.full(30_000, 1), 4, draws)
  # Its own document is left in 1 of 4 ** 10 cases, which these draws miss but
  # for one.
  counts = np.bincount(chosen, minlength=4)
  np.testing.assert_allclose(counts, [10_000, 0, 10_000, 10_000], atol=2)


def test_pairs_fit_and_keep_both_segments():
  block = random_block()
  pairs = masking.sample_pairs(block, 32, 0.3, masking.generator(4))
  assert (pairs.a_length + pairs.b_length <= 29).all()
  assert pairs.a_length.min() >= 1 and pairs.b_length.min() >= 1


@pytest.mark.parametrize(
  'a, b, a_left, b_left',
  [
    (5, 5, 5, 5),  # Fits.
    (20, 5, 5, 5),  # A comes down to B.
    (3, 20, 3, 7),  # B stays the longer one.
    (8, 8, 5, 5),
    (8, 7, 5, 5),
    (1, 100, 1, 9),
  ],
)
def test_the_longer_segment_is_cut(a, b, a_left, b_left):
  cut = masking._truncate(make_pairs([a], [b]), 10, masking.generator(0))
  assert (cut.a_length[0], cut.b_length[0]) == (a_left, b_left)


def test_odd_excess_of_equal_segments_is_cut_from_b():
  cut = masking._truncate(make_pairs([8], [8]), 11, masking.generator(0))
  assert (cut.a_length[0], cut.b_length[0]) == (6, 5)


def test_segments_are_cut_from_front_and_back():
  pairs = make_pairs([30] * 2000, [5] * 2000)
  cut = masking._truncate(pairs, 15, masking.generator(0))
  front = cut.a_start - 100
  assert cut.a_length.tolist() == [10] * 2000
  # Of 20 tokens cut, each from the front with probability 1/2: mean 10,
  # standard error sqrt(20 / 4 / 2000) = 0.05.
  assert abs(front.mean() - 10) < 0.2
  assert abs(front.var() - 5) < 0.7
  assert cut.b_start.tolist() == [200] * 2000


def test_short_seq_prob_sets_the_targets():
  rng = masking.generator(0)
  targets = masking._target_lengths(20_000, 50, 0.25, rng)
  short = targets[targets < 50]
  # Of the short ones, 1 in 49 is 50 long.
  assert abs(len(short) / 20_000 - 0.25 * 48 / 49) < 0.012
  assert (short.min(), short.max()) == (2, 49)
  assert (masking._target_lengths(100, 50, 0.0, rng) == 50).all()


def test_join_pairs_lays_out_a_record():
  tokens = np.array([4, 5, 6, 7, 8, 9], np.int32)
  pairs = Pairs(*(np.array([x]) for x in (1, 2, 4, 1, False)))
  ids, is_text = masking.join_pairs(tokens, pairs, SPECIAL, 8)
  assert ids.tolist() == [[1, 5, 6, 2, 8, 2, 0, 0]]
  assert is_text.astype(int).tolist() == [[0, 1, 1, 0, 1, 0, 0, 0]]
  assert ids.dtype == np.int32


def test_num_to_mask_rounds_half_to_even_within_its_limits():
  lengths = np.array([5, 10, 30, 128, 200])
  # 0.75 → 1, 1.5 → 2, 4.5 → 4, 19.2 → 19, 30 → at most 20.
  assert masking.num_to_mask(lengths, 0.15, 20).tolist() == [1, 2, 4, 19, 20]
  assert masking.num_to_mask(np.array([5]), 0.01, 20).tolist() == [1]


def test_wordpieces_fill_the_budget_exactly():
  rng = masking.generator(0)
  candidates = rng.random((500, 40)) < 0.7
  budget = rng.integers(1, 10, 500)
  chosen = masking.choose_masked(candidates, candidates, budget, rng)
  np.testing.assert_array_equal(chosen.sum(axis=1), budget)
  assert not (chosen & ~candidates).any()


def test_all_candidates_are_masked_if_the_budget_allows():
  candidates = np.array([[False, True, True, False, True, False]])
  chosen = masking.choose_masked(
    candidates, candidates, np.array([9]), masking.generator(0)
  )
  np.testing.assert_array_equal(chosen, candidates)


def test_every_candidate_is_equally_likely():
  candidates = np.ones((20_000, 10), bool)
  chosen = masking.choose_masked(
    candidates, candidates, np.full(20_000, 3), masking.generator(0)
  )
  # Standard error sqrt(0.3 * 0.7 / 20,000) = 0.0032.
  np.testing.assert_allclose(chosen.mean(axis=0), 0.3, atol=0.015)


def test_whole_words_are_masked_whole():
  rng = masking.generator(5)
  candidates = np.ones((400, 30), bool)
  starts = rng.random((400, 30)) < 0.6
  budget = rng.integers(1, 8, 400)
  chosen = masking.choose_masked(candidates, starts, budget, rng)
  assert (chosen.sum(axis=1) <= budget).all()
  # The pieces after a word's first share its fate.
  inside = ~starts
  inside[:, 0] = False
  rows, columns = np.nonzero(inside)
  np.testing.assert_array_equal(
    chosen[rows, columns], chosen[rows, columns - 1]
  )


def test_word_that_does_not_fit_is_passed_over():
  # One word of 3 and one of 1 piece; only the second fits a budget of 2.
  starts = np.array([[True, False, False, True]] * 50)
  chosen = masking.choose_masked(
    np.ones_like(starts), starts, np.full(50, 2), masking.generator(0)
  )
  assert chosen.astype(int).tolist() == [[0, 0, 0, 1]] * 50


def test_word_goes_on_over_what_cannot_be_masked():
  # B cut to begin within a word belongs to the last word of A, as in the
  # original: positions 2 and 4 around a [SEP].
  candidates = np.array([[False, True, True, False, True, False]] * 50)
  starts = np.array([[False, True, True, False, False, False]] * 50)
  chosen = masking.choose_masked(
    candidates, starts, np.full(50, 2), masking.generator(0)
  )
  shapes = set(map(tuple, chosen.astype(int).tolist()))
  assert shapes == {(0, 1, 0, 0, 0, 0), (0, 0, 1, 0, 1, 0)}


def test_labels_restore_the_tokens():
  rng = masking.generator(0)
  ids = rng.integers(4, 10, (50, 20)).astype(np.int32)
  chosen = masking.choose_masked(
    np.ones(ids.shape, bool), np.ones(ids.shape, bool), np.arange(50) % 6, rng
  )
  masked = masking.replace_masked(ids, chosen, 7, SPECIAL, rng)
  restored = masked.input_ids.copy()
  rows, slots = np.nonzero(masked.weights)
  restored[rows, masked.positions[rows, slots]] = masked.labels[rows, slots]
  np.testing.assert_array_equal(restored, ids)


def test_replace_masked_pads_with_zeros():
  ids = np.array([[1, 4, 5, 6, 2]], np.int32)
  chosen = np.array([[False, True, False, True, False]])
  masked = masking.replace_masked(ids, chosen, 4, SPECIAL, masking.generator(0))
  assert masked.positions.tolist() == [[1, 3, 0, 0]]
  assert masked.labels.tolist() == [[4, 6, 0, 0]]
  assert masked.weights.tolist() == [[1.0, 1.0, 0.0, 0.0]]
  assert masked.weights.dtype == np.float32


def test_masked_tokens_are_replaced_by_their_shares():
  ids = np.full((5000, 20), 5, np.int32)
  masked = masking.replace_masked(
    ids, np.ones(ids.shape, bool), 20, SPECIAL, masking.generator(0)
  )
  share = np.bincount(masked.input_ids.ravel(), minlength=10) / ids.size
  # 80 % [MASK], 10 % kept, 10 % any of the ten ids, those two among them.
  expected = np.full(10, 0.01)
  expected[SPECIAL.mask_id] += 0.8
  expected[5] += 0.1
  np.testing.assert_allclose(share, expected, atol=0.005)


def test_generator_depends_on_seed_and_key_only():
  first = masking.generator(-5, 1, 2).random(3)
  np.testing.assert_array_equal(first, masking.generator(-5, 1, 2).random(3))
  for other in (masking.generator(-5, 2, 1), masking.generator(5, 1, 2)):
    assert (first != other.random(3)).all()
