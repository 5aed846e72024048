"""Splits of random tables: no leak, each label's share, no order."""

import collections
import random

import pytest

from data.tasks import table_split
from data.tasks.examples import Example
from data.tasks.text_key import by_text, contradicting, text_key
from system.errors import UserError


def _examples(rows):
  return [
    Example(str(n), text, None, label) for n, (text, label) in enumerate(rows)
  ]


def _random_rows(random, num_labels, has_duplicates):
  rows = []
  for label in range(num_labels):
    for n in range(random.randint(1, 60)):
      rows.append((f'text {label} {n}', str(label)))
  if has_duplicates:
    for text, label in random.choices(rows, k=len(rows) // 3):
      other = random.choice((label, '0'))
      rows.append((text.upper().replace(' ', '  '), other))
  random.shuffle(rows)
  return rows + [('x 1', '0'), ('x 2', '0'), ('x 3', '0')]


def test_a_text_is_what_its_letters_are():
  assert (
    text_key("It 's\tgood") == text_key(" it's GOOD\n") == ("it'sgood", None)
  )
  assert text_key('a', '') != text_key('a')


@pytest.mark.parametrize('seed', range(30))
def test_no_text_is_in_two_splits(seed):
  rng = random.Random(seed)
  examples = _examples(_random_rows(rng, rng.randint(2, 6), True))
  parts = table_split.split(examples, 0.1, 0.2, seed)
  assert sorted(sum(parts.values(), [])) == list(range(len(examples)))
  keys = [
    {table_split.group_key(examples[i]) for i in part}
    for part in parts.values()
  ]
  assert len(set.union(*keys)) == sum(map(len, keys))


@pytest.mark.parametrize('seed', range(30))
def test_each_label_has_its_share(seed):
  rng = random.Random(seed)
  examples = _examples(_random_rows(rng, rng.randint(2, 9), False))
  fractions = {'dev': rng.uniform(0.05, 0.25), 'test': rng.uniform(0.05, 0.25)}
  parts = table_split.split(examples, *fractions.values(), seed)
  sizes = collections.Counter(e.label for e in examples)
  large = {label for label, n in sizes.items() if n >= table_split.MIN_TEXTS}
  for name, fraction in fractions.items():
    counts = collections.Counter(examples[i].label for i in parts[name])
    assert set(counts) == large
    for label in large:
      assert abs(counts[label] - fraction * sizes[label]) <= 1
  # The shares of all labels add up to the split's, where none is raised to 1.
  if all(min(fractions.values()) * sizes[label] >= 1 for label in large):
    total = sum(sizes[label] for label in large)
    for name, fraction in fractions.items():
      assert abs(len(parts[name]) - fraction * total) <= 1


def test_many_small_labels_are_balanced_together():
  rows = [
    (f'{label} {n}', str(label)) for label in range(40) for n in range(25)
  ]
  parts = table_split.split(_examples(rows), 0.1, 0.1, 3)
  # 2.5 of each label: 20 labels have two and 20 have three.
  assert {name: len(own) for name, own in parts.items()} == {
    'train': 800,
    'dev': 100,
    'test': 100,
  }


def test_duplicates_do_not_spoil_the_shares():
  rows = [(f'{n}', 'ab'[n % 2]) for n in range(200)]
  rows += [('0', 'a')] * 30 + [('1', 'b')] * 3
  parts = table_split.split(_examples(rows), 0.1, 0.1, 1)
  labels = {
    name: collections.Counter(rows[i][1] for i in own)
    for name, own in parts.items()
  }
  assert labels['dev'] == {'a': 13, 'b': 10} == labels['test']


def test_the_order_of_rows_changes_nothing():
  rows = _random_rows(random.Random(1), 4, True)
  expected = None
  for shuffle in range(3):
    random.Random(shuffle).shuffle(rows)
    parts = table_split.split(_examples(rows), 0.1, 0.1, 7)
    texts = {
      name: [text_key(rows[i][0]) for i in own] for name, own in parts.items()
    }
    assert expected in (None, texts)
    expected = texts
  other = table_split.split(_examples(rows), 0.1, 0.1, 8)
  assert {text_key(rows[i][0]) for i in other['dev']} != set(texts['dev'])


def test_rows_are_shuffled():
  rows = [(f'{label} {n}', label) for label in 'ab' for n in range(100)]
  parts = table_split.split(_examples(rows), 0.1, 0.1, 1)
  first = collections.Counter(rows[i][1] for i in parts['train'][:80])
  assert first.keys() == {'a', 'b'} and min(first.values()) > 20


def test_labels_of_few_texts_are_in_train_alone():
  rows = [(f'{n}', 'a') for n in range(10)]
  rows += [
    ('x', 'b'),
    ('y', 'b'),
    ('Y', 'b'),
    ('p', 'c'),
    ('q', 'c'),
    ('r', 'c'),
  ]
  examples = _examples(rows)
  assert table_split.small_classes(examples) == {'b': 2}
  parts = table_split.split(examples, 0.1, 0.1, 1)
  assert {10, 11, 12} <= set(parts['train'])
  for own in parts.values():
    assert [rows[i][1] for i in own].count('c') == 1


def _labels(rows, part):
  return {rows[i][1] for i in part}


@pytest.mark.parametrize('seed', range(20))
def test_train_has_every_label_where_texts_have_several(seed):
  """Three annotators label each text; 'unsure' is never the majority."""
  rows = [(f'{n}', 'good' if n < 30 else 'bad') for n in range(60)] * 2
  rows += [
    (f'{n}', 'unsure' if n in (7, 44) else label)
    for n, (_, label) in enumerate(rows[:60])
  ]
  assert table_split.small_classes(_examples(rows)) == {'unsure': 2}
  parts = table_split.split(_examples(rows), 0.1, 0.1, seed)
  assert _labels(rows, parts['train']) == {'good', 'bad', 'unsure'}
  for name in ('dev', 'test'):
    assert _labels(rows, parts[name]) == {'good', 'bad'}
    assert len(parts[name]) in (15, 18)
  # Each text with 'x' has a rarer label, too.
  rows = [(f'{n // 2}', 'ax'[n % 2]) for n in range(4)] + [('p', 'a')] * 3
  rows += [(f'{n // 2}', 'bx'[n % 2]) for n in range(4, 8)] + [('q', 'b')] * 3
  rows += [(f'c {n}', 'c') for n in range(9)]
  parts = table_split.split(_examples(rows), 0.1, 0.1, seed)
  assert _labels(rows, parts['train']) == set('abcx')


def test_three_texts_of_many_rows_are_in_three_splits():
  rows = [(text, label) for text in 'xyz' for label in 'aa' * 10]
  parts = table_split.split(_examples(rows), 0.1, 0.1, 1)
  assert [len(own) for own in parts.values()] == [20, 20, 20]


def test_pairs_that_are_turned_round_stay_together():
  examples = []
  for n in range(50):
    examples.append(Example(f'{n}', f'a {n}', f'b {n}', 'no'))
    examples.append(Example(f'-{n}', f'B {n}', f'a{n}', 'yes'))
  parts = table_split.split(examples, 0.2, 0.2, 1)
  for own in parts.values():
    assert {i ^ 1 for i in own} == set(own)
  # They are no contradiction: their order may matter.
  assert len(by_text(examples)) == len(examples)


def test_numbers_are_not_stratified():
  examples = _examples([(f'{n}', str(n / 7)) for n in range(100)])
  parts = table_split.split(examples, 0.1, 0.2, 1, is_regression=True)
  assert [len(own) for own in parts.values()] == [70, 10, 20]


def test_a_split_may_have_no_share():
  examples = _examples([(f'{n}', 'ab'[n % 2]) for n in range(20)])
  parts = table_split.split(examples, 0.0, 0.1, 1)
  assert [len(own) for own in parts.values()] == [18, 0, 2]


def test_too_few_texts_are_refused():
  examples = _examples([(f'{n}', f'{n}') for n in range(20)])
  with pytest.raises(UserError, match='20 examples of 20 labels .* for dev'):
    table_split.split(examples, 0.1, 0.1, 1)


def test_contradictions_are_listed():
  examples = _examples(
    [('a', '0'), ('A ', '1'), ('b', '0'), ('b', '0'), ('c', '0')]
  )
  groups = by_text(examples).values()
  assert [len(group) for group in groups] == [2, 2, 1]
  assert contradicting(groups) == ["'a'"]
