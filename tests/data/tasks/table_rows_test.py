"""The examples of one table, and the rows that are left out."""

import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from data.tasks import table_rows
from data.tasks.examples import Example
from data.tasks.table_rows import Columns
from system.errors import UserError


def _read(folder, name, content, columns=None, **options):
  path = folder / name
  data = content.encode()
  path.write_bytes(gzip.compress(data) if name.endswith('gz') else data)
  return table_rows.read(str(path), columns or Columns(), **options)


def test_rows_without_text_or_label_are_left_out_by_line(tmp_path):
  content = 'label\ttext\n1\ta b\n0\t \n\tc\n0\td\n'
  rows = _read(tmp_path, 'a.tsv.gz', content)
  assert rows.examples == [
    Example('2', 'a b', None, '1'),
    Example('5', 'd', None, '0'),
  ]
  assert rows.left_out == {
    "a text in 'text'": ['line 3'],
    "a label in 'label'": ['line 4'],
  }


def test_json_may_lack_values(tmp_path):
  content = (
    '{"sentence": "a", "label": 1}\n{"sentence": null, "label": 0}\n'
    '{"sentence": "b"}\n'
  )
  rows = _read(tmp_path, 'a.jsonl', content)
  assert rows.examples == [Example('1', 'a', None, '1')]
  assert list(rows.left_out.values()) == [['line 2'], ['line 3']]
  rows = _read(tmp_path, 'a.jsonl', content, needs_label=False)
  assert rows.examples[1:] == [Example('3', 'b', None, None)]


def test_the_first_text_may_be_null(tmp_path):
  values = {'text': [None, 'a'], 'label': ['0', '1']}
  pq.write_table(pa.table(values), str(tmp_path / 'a.parquet'))
  rows = [table_rows.read(str(tmp_path / 'a.parquet'), Columns())]
  content = '{"text": null, "label": 0}\n{"text": "a", "label": 1}\n'
  rows.append(_read(tmp_path, 'a.jsonl', content))
  for each in rows:
    assert each.examples == [Example('2', 'a', None, '1')]
    assert list(each.left_out) == ["a text in 'text'"]


def test_pairs_need_both_texts(tmp_path):
  content = 'q,p,label\nx,"y\nz",1\nx,,0\n'
  rows = _read(tmp_path, 'a.csv', content, Columns('q', 'p'))
  assert rows.examples == [Example('2', 'x', 'y\nz', '1')]
  assert rows.left_out == {"a text in 'p'": ['line 4']}


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    ('a.tsv', 'text\tlabel\na\n', r'a\.tsv, line 2: found 1 columns'),
    (
      'a.tsv',
      'body\tlabel\na\t1\n',
      "column 'sentence' or 'text', found .* 'body'",
    ),
    ('a.tsv', 'text\ty\na\t1\n', "line 1: .* 'label', found 'text', 'y'"),
    ('a.tsv', 'text\tlabel\n', 'or .text., found no row'),
    ('a.tsv', 'text\tlabel\na\n', 'line 2: found 1 columns'),
    ('a.tsv', 'text\tlabel\na\t\n', "found 1 rows lack a label in 'label'"),
    ('a.jsonl', '{"text": "a", "y": 1}\n', '1 rows lack a label'),
    ('a.jsonl', '{"text": "a", "label": "1\\n"}\n', 'line 1: .* one line of'),
    ('a.jsonl', '{"text": "\\ud83d", "label": 1}\n', 'line 1: .* surrogate'),
    ('a.jsonl', '{"y": 1}\n{"z": 1}\n', "found the columns 'y'. Name the"),
    ('a.txt', 'a', 'a.txt: expected a table whose name ends'),
  ],
)
def test_a_mistake_is_named(tmp_path, name, content, message):
  with pytest.raises(UserError, match=message):
    _read(tmp_path, name, content)


def test_numbers_are_finite(tmp_path):
  rows = _read(tmp_path, 'a.tsv', 'text\tlabel\na\t-1e3\n', is_regression=True)
  assert rows.examples[0].label == '-1e3'
  for label in ('nan', 'good', 'inf'):
    with pytest.raises(UserError, match=f"line 2: found the label '{label}'"):
      _read(tmp_path, 'a.tsv', f'text\tlabel\na\t{label}\n', is_regression=True)


def test_a_missing_table_is_named(tmp_path):
  with pytest.raises(UserError, match='there is no file .*a.tsv'):
    table_rows.read(str(tmp_path / 'a.tsv'), Columns())
