"""The task "are a sentence's words in their original order?"."""

import collections
import random

import pytest

from tools.docstrings import word_order_task
from tools.docstrings.docstring_corpus import Module


def test_own_order_loses_capitals_and_the_final_punctuation():
  text = word_order_task.make_text(
    'Use Tables, not lists (or "maps").', 'own', random.Random(1)
  )
  assert text == 'use tables, not lists (or "maps'


def test_parts_of_three_words_or_more_are_exchanged():
  rng = random.Random(1)
  texts = {
    word_order_task.make_text('One two three four five six seven.', label, rng)
    for label in ('exchanged',) * 50
  }
  assert texts == {
    'four five six seven one two three',
    'five six seven one two three four',
  }


def test_shingles_ignore_digits_case_and_punctuation():
  first = word_order_task.shingles('Sum the 3 rows of it.')
  assert first == word_order_task.shingles('sum "the" rows of it')
  assert len(first) == 1


def test_shingles_of_nine_words_are_two():
  first = word_order_task.shingles('a b c d e f g h i')
  second = word_order_task.shingles('b c d e f g h i j')
  assert len(first) == 2
  assert first[1] == second[0]


def _module(name, *sentences):
  return Module(name.split('.')[0], name, sentences)


def test_the_first_of_several_near_duplicates_is_kept():
  shared = 'The rows of this table are sorted by their first column{}'
  modules = [
    _module('a.x', shared.format('.')),
    _module('a.y', shared.format(' of ten.'), 'Something else is in this.'),
    _module('b.x', shared.format(', or not.')),
  ]
  assert word_order_task.distinct_sentences(modules) == {
    'a.x': [shared.format('.')],
    'a.y': ['Something else is in this.'],
    'b.x': [],
  }


def _many_modules(num_modules=20, num_sentences=10, num_words=8):
  """Returns modules of sentences without a common word."""

  def word(*numbers):
    return ''.join(chr(ord('a') + n) for n in numbers)

  return [
    _module(
      f'lib.m{m}',
      *(
        ' '.join(word(m, s, w) for w in range(num_words)) + '.'
        for s in range(num_sentences)
      ),
    )
    for m in range(num_modules)
  ]


SIZES = word_order_task.Sizes(train=40, dev=20, test=30, transfer=1000)


def test_build_task_splits_by_module_and_balances():
  task = word_order_task.build_task(_many_modules(), SIZES, seed=1)
  home = {
    frozenset(s[:-1].split()): m.name
    for m in _many_modules()
    for s in m.sentences
  }
  for split, pairs in task.splits.items():
    for text, _ in pairs:
      module = home[frozenset(text.split())]
      expected = 'train' if split == 'transfer' else split
      assert task.module_splits[module] == expected
  counts = {
    split: collections.Counter(label for _, label in pairs)
    for split, pairs in task.splits.items()
  }
  # 20 modules of 10 sentences: 3 are test, 2 dev, 15 train with 150 - 40 left.
  assert counts == {
    'test': {'own': 15, 'exchanged': 15},
    'dev': {'own': 10, 'exchanged': 10},
    'train': {'own': 20, 'exchanged': 20},
    'transfer': {'own': 55, 'exchanged': 55},
  }


def test_labels_say_what_was_done():
  task = word_order_task.build_task(_many_modules(), SIZES, seed=1)
  for pairs in task.splits.values():
    for text, label in pairs:
      # The words of a sentence are made in alphabetical order.
      words = text.split()
      assert (words == sorted(words)) == (label == 'own')


def test_build_task_repeats_no_sentence():
  task = word_order_task.build_task(_many_modules(), SIZES, seed=1)
  sentences = [
    frozenset(text.split())
    for pairs in task.splits.values()
    for text, _ in pairs
  ]
  assert len(sentences) == len(set(sentences)) == 200


def test_build_task_is_a_function_of_its_seed():
  first, again, other = (
    word_order_task.build_task(_many_modules(), SIZES, seed).splits
    for seed in (1, 1, 2)
  )
  assert first == again
  assert first != other


def test_transfer_set_is_capped():
  sizes = word_order_task.Sizes(40, 20, 30, transfer=16)
  task = word_order_task.build_task(_many_modules(), sizes, seed=1)
  assert len(task.splits['transfer']) == 16


@pytest.mark.parametrize('num_words', [7, 25])
def test_short_and_long_sentences_are_left_out(num_words):
  with pytest.raises(ValueError, match='^0 distinct sentences for test'):
    word_order_task.build_task(_many_modules(num_words=num_words), SIZES, 1)


def test_too_few_sentences_are_counted():
  sizes = word_order_task.Sizes(800, 20, 30, 1000)
  with pytest.raises(ValueError, match='150 distinct .* train, needs 800'):
    word_order_task.build_task(_many_modules(), sizes, seed=1)
