"""Sentences sampled from running text."""

import pyarrow as pa
import pytest
from pyarrow import parquet

from system.errors import UserError
from tools import sample_sentences


def test_breaks_and_lost_spaces_end_sentences():
  text = 'It was far too.It never ends well.<br /><br />A  good one!'
  assert sample_sentences.document_sentences(text, 2, 9) == [
    'It was far too.',
    'It never ends well.',
    'A good one!',
  ]


def test_short_and_long_sentences_are_dropped():
  text = 'Two words. Here are three. And here there are five.'
  assert sample_sentences.document_sentences(text, 3, 4) == ['Here are three.']


def test_a_sample_has_distinct_sentences_and_follows_the_seed():
  numbers = [f'This is number {n}.' for n in 'abcdefgh']
  first = sample_sentences.sample(numbers * 2, 5, seed=1)
  assert len(set(first)) == 5 and set(first) <= set(numbers)
  assert sample_sentences.sample(numbers * 3, 5, seed=1) == first
  assert sample_sentences.sample(numbers, 5, seed=2) != first
  assert sorted(sample_sentences.sample(numbers, None, seed=1)) == numbers
  with pytest.raises(UserError, match='=9, but the text holds 8 different'):
    sample_sentences.sample(numbers, 9, seed=1)


def test_documents_are_lines_or_a_column(tmp_path):
  path = tmp_path / 'a.tsv'
  path.write_text('label\ttext\tbody\n1\tA film.\tx\n0\tNo film.\ty\n')
  read = sample_sentences.read_documents
  assert list(read(str(path), 'body')) == ['x', 'y']
  assert list(read(str(path), None)) == ['A film.', 'No film.']
  path.write_text('A film.\n')
  with pytest.raises(UserError, match='Name the column .* `text_column`'):
    list(read(str(path), None))
  path = path.rename(tmp_path / 'a.txt')
  assert list(read(str(path), None)) == ['A film.']
  with pytest.raises(UserError, match='text_column=text cannot take effect'):
    list(read(str(path), 'text'))
  path.write_text('text\nA film.\n')
  assert list(read(str(path), 'text')) == ['A film.']


@pytest.mark.parametrize('name', ['a.csv', 'a.jsonl', 'a.parquet'])
def test_tables_of_any_format_have_a_default_column(tmp_path, name):
  path = tmp_path / name
  if name == 'a.csv':
    path.write_text('stars,sentence\n5,"A film, good."\n')
  elif name == 'a.jsonl':
    path.write_text('{"stars": 5, "sentence": "A film, good."}\n')
  else:
    columns = {'stars': [5], 'sentence': ['A film, good.']}
    parquet.write_table(pa.table(columns), str(path))
  found = list(sample_sentences.read_documents(str(path), None))
  assert found == ['A film, good.']
