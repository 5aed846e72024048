"""The task "which library does a sentence come from?"."""

import pytest

from tools import library_task
from tools.docstring_corpus import Module

NAMES = frozenset(['scipy', 'np', 'scikit-learn', 'figure'])


@pytest.mark.parametrize(
  ('sentence', 'masked'),
  [
    ('Use SciPy or np here.', 'Use foo or foo here.'),
    (
      'A scikit-learn model of scipy-like form.',
      'A foo model of foo-like form.',
    ),
    ('Set n_jobs, a DataFrame or fit().', 'Set foo, a foo or foo.'),
    ('Call np.linalg.norm now.', 'Call foo now.'),
    ('Returns scipy np figure objects.', 'Returns foo objects.'),
    ('Use e.g. 0.5 of a high-level API.', 'Use e.g. 0.5 of a high-level API.'),
    ('The figures configure it.', 'The figures configure it.'),
    ('A float32 or conv2d layer.', 'A foo or foo layer.'),
  ],
)
def test_mask_names(sentence, masked):
  assert library_task.mask_names(sentence, NAMES) == masked


def test_shingles_ignore_digits_case_and_placeholders():
  first = library_task.shingles('Sum the 3 rows of foo.')
  assert first == library_task.shingles('sum foo the rows of')
  assert len(first) == 1


def test_shingles_of_nine_words_are_two():
  first = library_task.shingles('a b c d e f g h i')
  second = library_task.shingles('b c d e f g h i j')
  assert len(first) == 2
  assert first[1] == second[0]


def _module(name, *sentences):
  return Module(name.split('.')[0], name, sentences)


def test_one_near_duplicate_is_kept_and_none_across_libraries():
  shared = 'The rows of this table are sorted by their first column{}'
  own = 'The colours of all lines are chosen from one cycle{}'
  modules = [
    _module('a.x', shared.format('.'), own.format('.')),
    _module('a.y', own.format(' of ten.'), 'Something else is said in this.'),
    _module('b.x', shared.format(', or not.')),
  ]
  assert library_task.distinct_sentences(modules, frozenset()) == {
    'a.x': [own.format('.')],
    'a.y': ['Something else is said in this.'],
    'b.x': [],
  }


def _many_modules(num_modules=12, num_sentences=10):
  # Every sentence has words of its own, so there are no near-duplicates.
  def word(*numbers):
    return ''.join(chr(ord('a') + n) for n in numbers)

  return [
    _module(
      f'lib{label}.m{m}',
      *(
        ' '.join(word(label, m, s, w) for w in range(6)) + '.'
        for s in range(num_sentences)
      ),
    )
    for label in range(3)
    for m in range(num_modules)
  ]


SIZES = library_task.Sizes(train=30, dev=30, test=60, transfer=1000)
LABELS = ('lib0', 'lib1')


def _task(modules=None, sizes=SIZES, seed=1):
  modules = modules or _many_modules()
  return library_task.build_task(modules, LABELS, frozenset(), sizes, seed)


def test_build_task_splits_by_module_and_balances():
  modules = _many_modules()
  task = _task(modules)
  home = {s: m for m in modules for s in m.sentences}
  for split, pairs in task.splits.items():
    for sentence, label in pairs:
      module = home[sentence]
      expected = 'train' if split == 'transfer' else split
      assert module.library == label
      assert task.module_splits[module.name] == expected
  counts = {
    split: [sum(label == own for _, own in pairs) for label in LABELS]
    for split, pairs in task.splits.items()
  }
  assert counts['train'] == [15, 15]
  assert counts['dev'] == [15, 15]
  assert counts['test'] == [30, 30]
  # 12 modules of 10 sentences: 3 are test, 2 dev, 7 train with 70 - 15 left.
  assert counts['transfer'] == [55, 55]


def test_build_task_repeats_no_sentence():
  sentences = [s for pairs in _task().splits.values() for s, _ in pairs]
  assert len(sentences) == len(set(sentences))


def test_build_task_is_a_function_of_its_seed():
  assert _task().splits == _task().splits
  assert _task().splits != _task(seed=2).splits


def test_the_test_split_takes_at_most_twenty_sentences_of_a_module():
  modules = _many_modules(num_sentences=26)
  task = _task(modules, library_task.Sizes(10, 10, 60, 1000))
  used = [n for n, split in task.module_splits.items() if split == 'test']
  # 30 of each label at 20 a module: two modules each.
  assert len(used) == 4


def test_transfer_set_is_capped():
  task = _task(sizes=library_task.Sizes(30, 30, 60, 7))
  assert len(task.splits['transfer']) == 7


def test_too_few_sentences_are_named():
  with pytest.raises(ValueError, match='lib0 has 70 distinct .* 500'):
    _task(sizes=library_task.Sizes(1000, 30, 60, 7))


def test_largest_libraries_count_distinct_sentences():
  modules = [
    _module('a.x', 'one', 'one', 'one'),
    _module('b.x', 'one', 'two'),
    _module('c.x', 'one', 'two', 'three'),
  ]
  assert library_task.largest_libraries(modules, 2) == ('b', 'c')
