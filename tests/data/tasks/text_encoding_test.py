"""Sentences and pairs as inputs, with values worked out by hand."""

import random

import pytest
import tensorflow as tf
import tiny_world

from data.tasks import text_encoding
from data.text.tokenization import BertTokenizer


@pytest.mark.parametrize(
  ('length_a', 'length_b', 'limit', 'expected'),
  [
    (2, 3, 5, (2, 3)),  # Short enough.
    (9, 2, 5, (3, 2)),  # Only A is longer than its half.
    (2, 9, 5, (2, 3)),
    (9, 9, 6, (3, 3)),
    (9, 9, 5, (3, 2)),  # The odd token is A's.
    (3, 9, 5, (3, 2)),
    (0, 9, 5, (0, 5)),
  ],
)
def test_pairs_lose_tokens_of_the_longer_half(
  length_a, length_b, limit, expected
):
  kept = text_encoding.trimmed_lengths(
    tf.constant([length_a], tf.int64), tf.constant([length_b], tf.int64), limit
  )
  assert tuple(int(x[0]) for x in kept) == expected


@pytest.mark.parametrize('limit', range(1, 12))
def test_trimming_equals_removing_one_token_at_a_time(limit):
  for length_a in range(10):
    for length_b in range(10):
      a, b = length_a, length_b
      while a + b > limit:
        a, b = (a - 1, b) if a > b else (a, b - 1)
      kept = text_encoding.trimmed_lengths(
        tf.constant([length_a], tf.int64),
        tf.constant([length_b], tf.int64),
        limit,
      )
      assert tuple(int(x[0]) for x in kept) == (a, b)


@pytest.fixture
def tokenizer(world):
  return BertTokenizer(str(world / 'vocab.txt'))


def _encode(tokenizer, texts_a, texts_b, length):
  ids, segments = text_encoding.encode_texts(
    tokenizer, texts_a, texts_b, length
  )
  tokens = [
    ' '.join(tiny_world.VOCABULARY[i] for i in row) for row in ids.to_list()
  ]
  return tokens, segments.to_list()


def test_sentences_are_enclosed_and_cut(tokenizer):
  tokens, segments = _encode(tokenizer, ['a film', 'the plot is bad'], None, 5)
  assert tokens == ['[CLS] a film [SEP]', '[CLS] the plot is [SEP]']
  assert segments == [[0] * 4, [0] * 5]


def test_pairs_have_two_segments(tokenizer):
  tokens, segments = _encode(tokenizer, ['a film'], ['bad plot is dull'], 7)
  assert tokens == ['[CLS] a film [SEP] bad plot [SEP]']
  assert segments == [[0, 0, 0, 0, 1, 1, 1]]


def test_a_pair_without_second_text_is_a_single_sentence(tokenizer):
  tokens, segments = _encode(tokenizer, ['a film', 'a'], ['', 'plot'], 8)
  assert tokens == ['[CLS] a film [SEP]', '[CLS] a [SEP] plot [SEP]']
  assert segments == [[0] * 4, [0, 0, 0, 1, 1]]


def test_no_texts_have_no_rows(tokenizer):
  none = tf.constant([], tf.string)
  for texts_b in (None, none):
    ids, segments = text_encoding.encode_texts(tokenizer, none, texts_b, 8)
    assert ids.to_list() == segments.to_list() == []


@pytest.mark.parametrize('length', [4, 5, 8, 16])
def test_many_pairs_equal_each_pair_joined_by_hand(tokenizer, length):
  rng = random.Random(length)
  words = ['a', 'film', 'plot', 'is', 'bad']
  pairs = [
    [' '.join(rng.choices(words, k=rng.randrange(9))) for _ in range(2)]
    for _ in range(200)
  ]
  expected = []
  for a, b in (tuple(text.split() for text in pair) for pair in pairs):
    while len(a) + len(b) > length - (3 if b else 2):
      (a if len(a) > len(b) else b).pop()
    first = ['[CLS]', *a, '[SEP]']
    second = [*b, '[SEP]'] if b else []
    expected.append(
      (' '.join(first + second), [0] * len(first) + [1] * len(second))
    )
  encoded = _encode(tokenizer, *zip(*pairs, strict=True), length)
  assert list(zip(*encoded, strict=True)) == expected
