"""The similarity of two texts' word frequencies."""

import subprocess
import sys
from collections import Counter

import pytest

from system.errors import UserError
from tools import unigram_similarity as tool


def test_words_are_counted_in_lower_case_and_apart_from_punctuation():
  assert tool.count(["It's a film.", 'A film']) == {
    'it': 1,
    "'": 1,
    's': 1,
    'a': 2,
    'film': 2,
    '.': 1,
  }


def test_a_text_is_most_similar_to_itself_whatever_its_length():
  counts = Counter(a=5, b=3, c=1)
  assert tool.similarity(counts, counts, 10) == pytest.approx(1)
  thrice = {word: 3 * count for word, count in counts.items()}
  assert tool.similarity(counts, thrice, 10) == pytest.approx(1)


def test_a_correlation_worked_by_hand():
  # Ranks of a, b, c, d: 4, 3, 2, 1 and 4, 2, 3, 1; 1 - 6 * 2 / (4 * 15) = 0.8.
  first, second = Counter(a=9, b=5, c=2, d=1), {'a': 9, 'b': 2, 'c': 5, 'd': 1}
  assert tool.similarity(first, second, 10) == pytest.approx(0.8)


def test_the_frequent_words_of_the_first_text_count_and_missing_ones_are_0():
  first, second = Counter(a=9, b=5, c=3, x=1), {'a': 1, 'b': 5, 'y': 7, 'x': 9}
  # a, b, c: ranks 3, 2, 1 and 2, 3, 1; 1 - 6 * 2 / (3 * 8) = 0.5.
  assert tool.similarity(first, second, 3) == pytest.approx(0.5)


def test_a_text_of_equally_frequent_words_has_no_correlation():
  first, second = Counter(a=2, b=1), {'a': 3, 'b': 3}
  assert tool.similarity(first, second, 10) is None
  assert tool.similarity(first, {}, 10) is None


def test_texts_have_a_name_each():
  assert tool.names_of(['x/a.txt.gz', 'b']) == {'a': 'x/a.txt.gz', 'b': 'b'}
  with pytest.raises(UserError, match="x/a.txt and y/a.tsv are both named 'a'"):
    tool.names_of(['x/a.txt', 'b.txt', 'y/a.tsv'])


def test_an_input_is_no_output(tmp_path):
  (tmp_path / 'a').write_text('x\n')
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'tools.unigram_similarity', '--input_file=none'],
      *[f'--{name}={tmp_path}/a' for name in ('other_files', 'output_file')],
    ],
    capture_output=True,
    text=True,
  )
  assert f"--output_file: '{tmp_path}/a' is also an input" in done.stderr
  assert (tmp_path / 'a').read_text() == 'x\n'


def test_a_task_without_training_data_is_named():
  with pytest.raises(UserError, match="AX has no split 'train'; it has test"):
    next(tool.task_texts('AX', ''))


def test_a_task_is_read_in_its_own_layout(tmp_path):
  # CoLA's files have no header; STS-B has pairs.
  (tmp_path / 'train.tsv').write_text('src\t1\t\tA film.\nsrc\t0\t*\tFilm a.\n')
  found = tool.count(tool.task_texts('CoLA', str(tmp_path)))
  assert found == {'a': 2, 'film': 2, '.': 2}
  (tmp_path / 'train.tsv').write_text(
    'sentence1\tsentence2\tscore\nA film.\tA plot.\t2.5\n'
  )
  found = tool.count(tool.task_texts('STS-B', str(tmp_path)))
  assert found == {'a': 2, 'film': 1, 'plot': 1, '.': 2}
