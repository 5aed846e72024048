"""Rows of a user's own files, and the messages about broken ones."""

import gzip

import pytest

from data.tasks import custom
from data.tasks.examples import Example, Fields
from system.errors import UserError


def _read(folder, name, content, split='train', labels=('no', 'yes'), **fields):
  data = content.encode()
  (folder / name).write_bytes(gzip.compress(data) if 'gz' in name else data)
  task = custom.classification(labels, custom.in_files(Fields(**fields)))
  return task.read_split(str(folder), split)


def test_csv_may_quote_commas_quotes_and_line_ends(tmp_path):
  content = '\ufefflabel,sentence\r\nyes,"a, ""b""\r\nc"\r\nno,d\r\n'
  assert _read(tmp_path, 'train.csv', content) == [
    Example('0', 'a, "b"\nc', None, 'yes'),
    Example('1', 'd', None, 'no'),
  ]


def test_tsv_quotes_nothing(tmp_path):
  content = 'label\tsentence\nyes\t"a, ""b\n'
  assert _read(tmp_path, 'train.tsv', content)[0].text_a == '"a, ""b'


def test_jsonl_has_columns_by_key_and_labels_of_any_kind(tmp_path):
  content = (
    '{"q": "a\\nb", "p": "c", "y": 1, "key": 7, "more": [1]}\n'
    '{"y": "0", "p": "\\u00e9", "q": "d", "key": "x"}\n'
  )
  fields = {'text_a': 'q', 'text_b': 'p', 'label': 'y', 'index': 'key'}
  found = _read(tmp_path, 'train.jsonl', content, labels=('0', '1'), **fields)
  assert found == [Example('7', 'a\nb', 'c', '1'), Example('x', 'd', 'é', '0')]
  boolean = '{"sentence": "a", "label": true}\n'
  found = _read(tmp_path, 'train.jsonl', boolean, labels=('false', 'true'))
  assert found[0].label == 'true'


@pytest.mark.parametrize(
  ('name', 'content'),
  [
    ('test.tsv.gz', 'sentence\na\n'),
    ('test.csv.gz', 'sentence,label\na,\n'),
    ('test.jsonl.gz', '{"sentence": "a", "label": null}\n'),
  ],
)
def test_test_may_lack_labels_and_files_may_be_gzip(tmp_path, name, content):
  found = _read(tmp_path, name, content, split='test')
  assert found == [Example('0', 'a', None, None)]


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    ('train.csv', 'sentence,label\na,yes\nb\n', 'line 3: found 1 columns, exp'),
    ('train.csv', 'sentence,label\n\na,yes\n', 'line 2: found a blank line'),
    (
      'train.csv',
      'sentence,label\n"a\nb",yes\n"c,no\n',
      'line 4: .*closed q',
    ),
    (
      'train.csv',
      'sentence,label\n"a"b,yes\n',
      'line 2: expected a CSV row',
    ),
    ('train.csv', 'text,label\na,yes\n', "line 1: .*'sentence', found 'text'"),
    ('train.csv', 'sentence,label\na,maybe\n', "line 2: unknown label 'maybe'"),
    ('train.csv', 'sentence,label\na,\n', "line 2: unknown label ''"),
    ('train.csv', 'sentence,label\n', 'holds no example'),
    ('train.csv', '', 'is empty'),
    ('train.jsonl', '{"sentence": "a"\n', 'line 1: expected a JSON object, f'),
    ('train.jsonl', '["a"]\n', r"line 1: expected a JSON object, found '\[\"a"),
    ('train.jsonl', '{"label": "yes"}\n', "no 'sentence', found 'label'"),
    (
      'train.jsonl',
      '{"sentence": "a", "label": null}\n',
      "there is no 'label'",
    ),
    ('train.jsonl', '{"sentence": "a", "label": 3}\n', "line 1: unknown .*'3'"),
  ],
)
def test_a_mistake_is_named_by_file_and_line(tmp_path, name, content, message):
  with pytest.raises(UserError, match=message) as error:
    _read(tmp_path, name, content)
  assert str(tmp_path / name) in str(error.value)


def test_a_given_id_column_must_exist(tmp_path):
  content = 'sentence,label,key\na,yes,k1\n'
  (found,) = _read(
    tmp_path, 'train.csv', content, index='key', needs_index=True
  )
  assert found.example_id == 'k1'
  with pytest.raises(UserError, match="a header with a column 'id'"):
    _read(tmp_path, 'train.csv', content, index='id', needs_index=True)


def test_files_of_two_formats_side_by_side_are_refused(tmp_path):
  for name in ('train.csv', 'train.tsv.gz'):
    (tmp_path / name).write_text('')
  with pytest.raises(UserError, match='choose one of them with `file_format`'):
    custom.classification(('a', 'b')).read_split(str(tmp_path), 'train')
  files = custom.in_files(Fields(), 'csv')
  assert files['train'].locate(str(tmp_path)) == str(tmp_path / 'train.csv')
