"""The vocabulary learner, on a text whose merges are worked out by hand."""

import pytest

from data.text import wordpiece_learner
from data.text.wordpiece_learner import LearnerOptions
from system.errors import UserError

COUNTS = {b'low': 5, b'lower': 2, b'newest': 6, b'widest': 3}
SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
# fmt: off
ALPHABET = [
  'l', 'n', 'w', '##d', '##e', '##i', '##o', '##r', '##s', '##t', '##w',
]
# The pairs 'es' and 'st' occur 9 times, 'lo' and 'ow' 7 times, 'ne' 6 times.
# Ties: shorter pieces first, then in the order of the alphabet.
LEARNED = [
  '##es', '##est', 'lo', 'low', 'ne', 'new', 'newest',
  'wi', 'wid', 'widest', '##er', 'lower',
]
# fmt: on


def _learn(counts=COUNTS, **options) -> list[str]:
  letters = wordpiece_learner.count_letters(counts)
  return wordpiece_learner.learn(counts, letters, LearnerOptions(**options))


@pytest.mark.parametrize('room', range(len(LEARNED) + 1))
def test_the_most_frequent_pairs_are_merged_first(room):
  tokens = _learn(vocab_size=16 + room)
  assert tokens == SPECIAL + ALPHABET + LEARNED[:room]


def test_the_order_of_the_words_does_not_matter():
  backwards = dict(reversed(COUNTS.items()))
  assert _learn(backwards, vocab_size=24) == _learn(vocab_size=24)


def test_unused_tokens_have_the_ids_of_the_released_vocabularies():
  tokens = _learn(vocab_size=115, num_unused_tokens=99)
  assert tokens[:2] == ['[PAD]', '[unused0]']
  assert tokens[99:104] == ['[unused98]', *SPECIAL[1:]]


def test_errors_about_the_size_name_one_that_fits():
  with pytest.raises(
    UserError, match='`vocab_size`=15 is too small.* need 16 '
  ):
    _learn(vocab_size=15)
  with pytest.raises(UserError, match='=29 is more than .* with 28 tokens'):
    _learn(vocab_size=29)


def test_letters_are_counted_by_their_position_in_words():
  letters = wordpiece_learner.count_letters({b'aba': 3, 'ä'.encode(): 2})
  assert letters == {'a': 3, '##b': 3, '##a': 3, 'ä': 2}


def test_neither_rare_characters_nor_words_with_them_get_tokens():
  counts = {b'ab': 9, b'xb': 1, 'aß'.encode(): 8}
  assert _learn(counts, vocab_size=8)[5:] == ['a', '##b', '##ß']
  tokens = _learn(counts, vocab_size=9, min_character_count=1)
  assert tokens[5:] == ['a', 'x', '##b', '##ß']
  tokens = _learn(counts, vocab_size=8, max_characters=2)
  assert tokens[5:] == ['a', '##b', 'ab']
  with pytest.raises(UserError, match='with 8 tokens'):
    _learn(counts, vocab_size=99, max_characters=2)


def test_the_default_minimum_count_grows_with_the_text():
  counts = {b'a': 200_000_000, b'b': 5, b'c': 6}
  assert _learn(counts, vocab_size=7)[5:] == ['a', 'c']


def test_letters_of_forgotten_words_are_in_the_alphabet():
  letters = wordpiece_learner.count_letters(COUNTS)
  letters.update({'ø': 2})
  options = LearnerOptions(vocab_size=18)
  tokens = wordpiece_learner.learn(COUNTS, letters, options)
  assert tokens[5:] == ['l', 'n', 'w', 'ø', *ALPHABET[3:], '##es']


def test_any_character_can_be_learned():
  words = ['▁▁▁', '\U0010fffd\U0010fffd', 'का', '가나', '\u200d\u0e33', '𐍈𐍈']
  counts = {word.encode(): 10 for word in words}
  letters = wordpiece_learner.count_letters(counts)
  size = len(SPECIAL) + len(letters) + 2 + 5
  assert set(words) < set(_learn(counts, vocab_size=size))


def test_overlong_words_are_ignored():
  counts = {b'ab': 2, b'x' * 201: 5, b'y' * 200: 5}
  letters = wordpiece_learner.count_letters(counts)
  assert set(letters) == {'a', '##b', 'y', '##y'}
  tokens = _learn(counts, vocab_size=10)
  assert not any('x' in token for token in tokens)
