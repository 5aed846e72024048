"""Tests for reading documents from text files and tables."""

import pyarrow as pa
import pytest
from pyarrow import parquet

from system.errors import UserError
from tools import documents


def test_documents_are_lines_or_a_column(tmp_path):
  path = tmp_path / 'a.tsv'
  path.write_text('label\ttext\tbody\n1\tA film.\tx\n0\tNo film.\ty\n')
  read = documents.read
  assert list(read(str(path), 'body')) == ['x', 'y']
  assert list(read(str(path), None)) == ['A film.', 'No film.']
  path.write_text('A film.\n')
  with pytest.raises(UserError, match='Name the column .* `text_column`'):
    list(read(str(path), None))
  path.write_text('id;text\n1;A film.\n')
  with pytest.raises(UserError, match='Semicolons separate the columns: save'):
    list(read(str(path), None))
  path.write_text('A film.\n')
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
  found = list(documents.read(str(path), None))
  assert found == ['A film, good.']
