"""Pairs of segments."""

import numpy as np
import pytest

from data.pretraining import pairs as pairs_module
from data.pretraining.pairs import Block, Pairs, sample_pairs
from data.pretraining.randomness import below, stream, stream_key, uniform


def make_block(document_lengths: list[list[int]]) -> Block:
  """Makes documents from the lengths of their sentences; token i is i."""
  lengths = np.concatenate(document_lengths)
  sentences = np.concatenate([[0], np.cumsum(lengths)])
  documents = np.concatenate([[0], np.cumsum([*map(len, document_lengths)])])
  tokens = np.arange(sentences[-1], dtype=np.int32)
  return Block(tokens, sentences, documents)


def random_block(num_documents: int = 60) -> Block:
  rng = np.random.default_rng(0)
  return make_block(
    [
      rng.integers(1, 40, rng.integers(1, 30)).tolist()
      for _ in range(num_documents)
    ]
  )


def sample(
  block: Block, length: int, short: float, seed: int, swap: bool = False
) -> Pairs:
  return sample_pairs(block, length, short, swap, stream_key(seed))


def document_of(block: Block, token: np.ndarray) -> np.ndarray:
  starts = block.sentences[block.documents[:-1]]
  return np.searchsorted(starts, token, 'right') - 1


def test_blocks_count_their_documents():
  assert make_block([[1, 2], [3], [4]]).num_documents == 3


@pytest.mark.parametrize(
  ('start', 'end', 'length', 'expected'),
  [
    (0, 4, 1, 1),  # At least one sentence.
    (0, 4, 3, 1),
    (0, 4, 4, 2),
    (0, 4, 5, 2),
    (1, 4, 3, 3),
    (0, 4, 99, 4),
    (0, 2, 99, 2),
  ],
)
def test_chunks_have_as_few_sentences_as_reach_the_length(
  start, end, length, expected
):
  sentences = np.array([0, 3, 5, 9, 10])
  assert pairs_module._chunk_end(sentences, start, end, length) == expected


def test_draws_of_a_document_come_in_their_order():
  """A job that is resumed under another version must write the same pairs."""
  block = make_block([[2, 2, 2], [5, 5, 5, 5]])
  for seed in range(50):
    state = stream(stream_key(seed), 0)
    state, _ = uniform(np.uint64(state))  # Is the target length short?
    expected, left = [], 3
    while left:
      more = 0  # Sentences of A after its first.
      if left > 1:
        state, more = below(np.uint64(state), left - 1)
      state, draw = uniform(np.uint64(state))
      is_random = left == 1 or draw < 0.5
      left -= 1 + more
      b_start = 6 - 2 * left
      if is_random:
        other = 0
        while other == 0:
          state, other = below(np.uint64(state), 2)
        state, sentence = below(np.uint64(state), 4)
        b_start = 6 + 5 * sentence
      expected.append((2 * (1 + more), b_start, is_random))
      left *= is_random  # An actual B is the rest.
    pairs = sample(block, 103, 0.0, seed)
    pairs = pairs.take(pairs.a_start < 6)
    found = zip(
      pairs.a_length, pairs.b_start, pairs.is_random_next, strict=True
    )
    assert list(found) == expected


def test_another_document_is_drawn_at_most_ten_times():
  block = make_block([[1], [1]])
  own_again = 0
  for number in range(8000):
    first = state = np.uint64(stream(stream_key(0), number))
    tries, other = 0, 0
    while other == 0 and tries < 10:
      state, other = below(np.uint64(state), 2)
      tries += 1
    own_again += other == 0
    drawn = pairs_module._draw_random_next(
      first, block.sentences, block.documents, 0, 1
    )
    assert drawn[1:] == (other, other + 1)
  assert own_again > 0  # 8 of 8000 on average.


def test_random_next_may_begin_at_every_sentence_of_the_other_document():
  block = make_block([[3, 3, 3], [1]])
  found = set()
  for seed in range(100):
    pairs = sample(block, 9, 0.0, seed)
    row = np.flatnonzero(pairs.a_start == 9)[0]
    found.add((pairs.b_start[row], pairs.b_length[row]))
  # B needs 6 - 1 tokens: two sentences (6 tokens, truncated to 5) or the last.
  assert {length for start, length in found if start == 6} == {3}
  assert {length for start, length in found if start < 6} == {5}
  assert {start for start, _ in found} == {0, 1, 3, 4, 6}


@pytest.mark.parametrize('short_seq_prob', [0.0, 0.1, 1.0])
def test_pairs_rebuild_the_documents(short_seq_prob):
  block = random_block()
  pairs = sample(block, 1000, short_seq_prob, 1)
  assert (pairs.a_length + pairs.b_length).max() < 997
  assert not pairs.num_cut.any()
  b_used = np.where(pairs.is_random_next, 0, pairs.b_length)
  ends = pairs.a_start + pairs.a_length + b_used
  # A and actual next B cover the text once, in order, without a gap.
  assert pairs.a_start[0] == 0
  np.testing.assert_array_equal(pairs.a_start[1:], ends[:-1])
  assert ends[-1] == len(block.tokens)


def test_tokens_that_truncation_removes_are_counted():
  pairs = sample(make_block([[500], [500], [500]]), 128, 0.0, 1)
  assert pairs.num_cut.tolist() == [2 * 500 - 125] * 3
  assert (pairs.a_length + pairs.b_length).tolist() == [125] * 3
  # A is 3 or 6 tokens; whatever B is, the pair has 9 tokens before truncation.
  pairs = sample(make_block([[3, 3, 3]]), 10, 0.0, 1)
  assert pairs.num_cut[0] == pairs.a_length[0] + pairs.b_length[0] - 5 == 2


def test_actual_next_follows_a_within_the_document():
  block = random_block()
  pairs = sample(block, 1000, 0.5, 2)
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
  pairs = sample(block, 1000, 0.5, 3)
  drawn = pairs.take(pairs.is_random_next)
  assert np.isin(drawn.b_start, block.sentences).all()
  document = document_of(block, drawn.b_start)
  assert (document != document_of(block, drawn.a_start)).all()
  last = document_of(block, drawn.b_start + drawn.b_length - 1)
  np.testing.assert_array_equal(document, last)


def test_random_next_stops_at_the_first_sentence_that_fills_the_record():
  # A is the whole document of 2 tokens; B needs 10 - 2 = 8 tokens or more.
  block = make_block([[2], [3, 3, 3, 3, 3, 3]])
  pairs = sample(block, 103, 0.0, 0)
  assert pairs.b_length[pairs.a_start == 0][0] % 3 == 0
  pairs = sample(block, 13, 0.0, 0)
  # 9 tokens reach 8 and are truncated to 8, unless the document ends before.
  assert pairs.b_length[pairs.a_start == 0][0] in (3, 6, 8)


def test_single_sentence_has_a_random_next():
  block = make_block([[3], [4], [5]])
  pairs = sample(block, 128, 0.1, 0)
  assert pairs.is_random_next.tolist() == [True] * 3


def test_single_sentence_has_a_random_next_in_sentence_order_too():
  block = make_block([[3], [4], [5]])
  pairs = sample(block, 128, 0.1, 0, swap=True)
  assert pairs.is_random_next.tolist() == [True] * 3
  assert pairs.a_start.tolist() == [0, 3, 7]
  assert pairs.a_length.tolist() == [3, 4, 5]
  assert (pairs.b_length >= 3).all()


def test_document_alone_in_its_block_is_its_own_random_next():
  block = make_block([[3, 4, 5, 6, 7]])
  pairs = sample(block, 16, 0.0, 0)
  assert pairs.is_random_next.any()
  assert (pairs.b_start + pairs.b_length <= 25).all()


def test_other_documents_are_equally_likely():
  # Documents of one sentence: one random B for each.
  block = make_block([[1]] * 5)
  counts = np.zeros((5, 5))
  for seed in range(4_000):
    pairs = sample(block, 128, 0.0, seed)
    counts[pairs.a_start, pairs.b_start] += 1
  # A document draws itself in 1 of 5 ** 10 cases. Standard error: 27.
  np.testing.assert_allclose(counts, 1000 * (1 - np.eye(5)), atol=110)


def test_half_of_the_pairs_are_random():
  block = make_block([[30] * 40] * 50)
  pairs = sample(block, 128, 0.0, 5)
  assert len(pairs.a_start) > 500
  # Standard error sqrt(0.25 / 500) = 0.02; single sentences are rare here.
  assert 0.43 < pairs.is_random_next.mean() < 0.6


def test_sentence_order_swaps_what_follows():
  block = random_block()
  pairs = sample(block, 1000, 0.1, 6, swap=True)
  swapped = pairs.take(pairs.is_random_next)
  kept = pairs.take(~pairs.is_random_next)
  np.testing.assert_array_equal(kept.b_start, kept.a_start + kept.a_length)
  follows = swapped.a_start == swapped.b_start + swapped.b_length
  # The others are single sentences at the end of a document.
  a_end = swapped.a_start + swapped.a_length
  assert np.isin(a_end[~follows], block.sentences[block.documents]).all()
  assert follows.mean() > 0.7
  assert 0.3 < pairs.is_random_next.mean() < 0.8


def test_sentence_order_covers_the_text_once():
  block = random_block()
  pairs = sample(block, 1000, 0.1, 7, swap=True)
  is_swapped = pairs.is_random_next & (
    pairs.a_start == pairs.b_start + pairs.b_length
  )
  uses_b = ~pairs.is_random_next | is_swapped
  used = np.zeros(len(block.tokens), int)
  for start, length in zip(pairs.a_start, pairs.a_length, strict=True):
    used[start : start + length] += 1
  for start, length in zip(
    pairs.b_start[uses_b], pairs.b_length[uses_b], strict=True
  ):
    used[start : start + length] += 1
  assert (used == 1).all()


def test_pairs_fit_and_keep_both_segments():
  block = random_block()
  pairs = sample(block, 32, 0.3, 4)
  assert (pairs.a_length + pairs.b_length).max() == 29  # 32 - 3
  assert pairs.a_length.min() >= 1 and pairs.b_length.min() >= 1


def truncate(a: int, b: int, longest: int, number: int = 0) -> tuple[int, ...]:
  """Truncates [100, 100 + a) and [200, 200 + b); returns starts and ends."""
  state = np.uint64(stream(stream_key(0), number))
  return pairs_module._truncate(state, 100, 100 + a, 200, 200 + b, longest)[1:]


@pytest.mark.parametrize(
  'a, b, a_left, b_left',
  [
    (5, 5, 5, 5),  # Fits.
    (20, 5, 5, 5),  # A shrinks to the length of B.
    (3, 20, 3, 7),  # B remains longer.
    (8, 8, 5, 5),
    (8, 7, 5, 5),
    (1, 100, 1, 9),
  ],
)
def test_the_longer_segment_is_truncated(a, b, a_left, b_left):
  a_start, a_end, b_start, b_end = truncate(a, b, 10)
  assert (a_end - a_start, b_end - b_start) == (a_left, b_left)


def test_odd_excess_of_equal_segments_is_removed_from_b():
  a_start, a_end, b_start, b_end = truncate(8, 8, 11)
  assert (a_end - a_start, b_end - b_start) == (6, 5)


def test_tokens_are_removed_from_front_and_back():
  spans = np.array([truncate(30, 5, 15, number) for number in range(2000)])
  front = spans[:, 0] - 100
  assert (spans[:, 1] - spans[:, 0] == 10).all()
  # 20 tokens are removed, each from the front with probability 1/2: mean 10,
  # standard error sqrt(20 / 4 / 2000) = 0.05.
  assert abs(front.mean() - 10) < 0.2
  assert abs(front.var() - 5) < 0.7
  assert (spans[:, 2:] == [200, 205]).all()


def test_draws_below_one_half_remove_from_the_front():
  for number in range(20):
    state, removed = stream(stream_key(0), number), []
    for _ in range(3):
      state, draw = uniform(np.uint64(state))
      removed.append(draw < 0.5)
    a_start, a_end, *_ = truncate(8, 3, 8, number)
    assert (a_start - 100, a_end - a_start) == (sum(removed), 5)


def target_lengths(count: int, short_seq_prob: float) -> np.ndarray:
  return np.array(
    [
      pairs_module._target_length(
        np.uint64(stream(stream_key(0), i)), 50, short_seq_prob
      )[1]
      for i in range(count)
    ]
  )


def test_short_seq_prob_sets_the_targets():
  targets = target_lengths(20_000, 0.25)
  short = targets[targets < 50]
  # 1 in 49 of the short targets is 50.
  assert abs(len(short) / 20_000 - 0.25 * 48 / 49) < 0.012
  assert (short.min(), short.max()) == (2, 49)
  assert (target_lengths(100, 0.0) == 50).all()


def test_short_targets_are_2_to_the_maximum():
  targets = [
    pairs_module._target_length(np.uint64(stream(stream_key(0), i)), 4, 1.0)[1]
    for i in range(3000)
  ]
  # Standard error of a count sqrt(3000 * 2/9) = 26.
  np.testing.assert_allclose(
    np.bincount(targets), [0, 0, 1000, 1000, 1000], atol=110
  )
