"""Rows of a user's own files, and the messages about broken ones."""

import datetime
import decimal
import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from data.tasks import custom, tables
from data.tasks.examples import Example, Fields
from system import streams
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
    (
      'train.csv',
      'sentence,,label,,sentence\n',
      "line 1: expected columns of different names, found 2 columns 'sentence'",
    ),
    (
      'train.tsv',
      'sentence\tlabel\tx\tx\n',
      "line 1: .* found 2 columns 'x'",
    ),
    (
      'train.tsv',
      'sentence\tlabel\ra\tyes\r',
      '1 carriage returns and no line feed',
    ),
    (
      'train.csv',
      'sentence,label\ra,yes\n',
      'line 1: .* found an error: a carriage return without a line feed',
    ),
    ('train.csv', 'sentence,label\n', 'holds no example'),
    ('train.csv', '', 'is empty'),
    ('train.jsonl', '{"sentence": "a"\n', 'line 1: expected a JSON object, f'),
    (
      'train.jsonl',
      '{"sentence": "a", "label": "yes", "label": "no"}\n',
      "line 1: .* the key 'label' occurs twice",
    ),
    (
      'train.jsonl',
      '{"sentence": NaN, "label": "yes"}\n',
      'line 1: .* NaN is not a value of JSON',
    ),
    ('train.jsonl', '["a"]\n', r"line 1: expected a JSON object, found '\[\"a"),
    ('train.jsonl', '{"label": "yes"}\n', "no 'sentence', found 'label'"),
    (
      'train.jsonl',
      '{"sentence": "a", "label": null}\n',
      "line 1: 'label' is null, expected a value",
    ),
    ('train.jsonl', '{"sentence": "a", "label": 3}\n', "line 1: unknown .*'3'"),
    (
      'train.jsonl',
      '{"sentence": ["a", "b"], "label": "yes"}\n',
      r"line 1: 'sentence' is \['a', 'b'\], expected text, a n",
    ),
    (
      'train.jsonl',
      '{"sentence": "a", "label": {"yes": 1}}\n',
      "line 1: 'label' is {'yes': 1}, expected text, a n",
    ),
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


def test_an_id_column_that_nobody_named_may_hold_anything(tmp_path):
  content = '{"sentence": "a", "label": "yes", "index": [1]}\n'
  (found,) = _read(tmp_path, 'train.jsonl', content)
  assert found.example_id == '0'
  with pytest.raises(UserError, match=r"line 1: 'index' is \[1\], expected"):
    _read(tmp_path, 'train.jsonl', content, needs_index=True)
  (tmp_path / 'train.jsonl').unlink()
  columns = {'sentence': ['a'], 'label': ['yes'], 'index': [datetime.date.max]}
  _write_parquet(tmp_path / 'train.parquet', **columns)
  for needs_index in (False, True):
    fields = Fields(needs_index=needs_index)
    task = custom.classification(('no', 'yes'), custom.in_files(fields))
    if needs_index:
      with pytest.raises(UserError, match="'index' has type date32.*expected"):
        task.read_split(str(tmp_path), 'train')
    else:
      assert task.read_split(str(tmp_path), 'train') == [found]


def test_files_of_two_formats_side_by_side_are_refused(tmp_path):
  for name in ('train.csv', 'train.tsv.gz'):
    (tmp_path / name).write_text('')
  with pytest.raises(UserError, match='or choose one with `file_format`'):
    custom.classification(('a', 'b')).read_split(str(tmp_path), 'train')
  files = custom.in_files(Fields(), 'csv')
  assert files['train'].locate(str(tmp_path)) == str(tmp_path / 'train.csv')


def test_the_last_blank_lines_of_a_file_are_no_rows(tmp_path):
  expected = [Example('0', 'a', None, 'yes')]
  for name, content in (
    ('train.tsv', 'sentence\tlabel\na\tyes\n\n  \n'),
    ('train.csv', 'sentence,label\na,yes\n\n\r\n'),
    ('train.jsonl', '{"sentence": "a", "label": "yes"}\n\n \n'),
  ):
    assert _read(tmp_path, name, content) == expected
    (tmp_path / name).unlink()
  # Empty columns make a row, and so does an empty line before the last row.
  content = 'sentence\tlabel\n\t\n'
  assert _read(tmp_path, 'test.tsv', content, 'test')[0].text_a == ''
  (tmp_path / 'test.tsv').unlink()
  found = _read(tmp_path, 'test.tsv', 'sentence\na\n\nb\n\n', 'test')
  assert [example.text_a for example in found] == ['a', '', 'b']


def test_a_csv_field_may_have_more_than_128_kib(tmp_path, monkeypatch):
  text = 'a, ' * 100_000
  content = f'sentence,label\n"{text}",yes\n'
  assert _read(tmp_path, 'train.csv', content)[0].text_a == text
  monkeypatch.setattr(streams, 'MAX_LINE_BYTES', 1 << 20)
  content = 'sentence,label\n"' + 'many\n' * 300_000
  message = 'line 2: .* a field of more than 1 MiB, or a quote that is never'
  with pytest.raises(UserError, match=message):
    _read(tmp_path, 'train.csv', content)


@pytest.mark.parametrize('split', ['train', 'dev', 'test'])
def test_half_of_a_surrogate_pair_is_named_in_every_split(tmp_path, split):
  content = (
    '{"sentence": "a", "label": "yes"}\n'
    '{"sentence": "good \\ud83d", "label": "yes", "more": "\\ud83d"}\n'
  )
  message = r"line 2: .* half of a surrogate pair, '\\ud83d', at character 5 of"
  with pytest.raises(UserError, match=message):
    _read(tmp_path, f'{split}.jsonl', content, split)
  # A column that is not used may hold anything.
  content = content.replace('good \\ud83d', 'good')
  assert len(_read(tmp_path, f'{split}.jsonl', content, split)) == 2
  with pytest.raises(UserError, match='the labels: .* half of a surrogate'):
    custom.classification(('a', '\ud83d'))


def test_minus_one_is_no_label_in_test(tmp_path):
  content = 'sentence,label\na,-1\nb,yes\n'
  found = _read(tmp_path, 'test.csv', content, 'test')
  assert [example.label for example in found] == [None, 'yes']
  known = ('-1', 'yes')
  found = _read(tmp_path, 'test.csv', content, 'test', labels=known)
  assert [example.label for example in found] == ['-1', 'yes']
  with pytest.raises(UserError, match="line 2: unknown label '-1'"):
    _read(tmp_path, 'dev.csv', content, 'dev')
  numbers = custom.regression(custom.in_files())
  (tmp_path / 'test.csv').write_text('sentence,label\na,-1\n')
  assert numbers.read_split(str(tmp_path), 'test')[0].label == '-1'


@pytest.mark.parametrize('wrong', ['', ' ', 'c\r', 'c\nd'])
def test_labels_that_labels_txt_cannot_hold_are_refused(wrong):
  message = 'the labels are .*one line of text'
  with pytest.raises(UserError, match=message) as error:
    custom.classification(('a', 'b', wrong))
  assert f'found {wrong!r},' in str(error.value)


def test_labels_that_differ_in_space_or_case_alone_are_named(caplog):
  custom.classification(('good', 'bad', 'good ', 'BAD', '1', '01'))
  assert caplog.messages == [
    f'The labels {one} and {other} are two classes, although they differ only '
    'in white space or case.'
    for one, other in (("'good'", "'good '"), ("'bad'", "'BAD'"))
  ]


def test_messages_are_short(tmp_path):
  long = 'x' * 100_000
  for name, content in (
    ('train.csv', f'{long},{long}2\n'),
    ('train.csv', 'sentence,label\n' + ',' * 100_000 + '\n'),
    ('train.csv', f'sentence,label\na,{long}\n'),
    ('train.csv', f'sentence,label,{long}\na,b\n'),
    ('train.csv', ','.join(map(str, range(10_000))) + '\n'),
    ('train.csv', f'{long},sentence,label,{long}\n'),
  ):
    with pytest.raises(UserError) as error:
      _read(tmp_path, name, content)
    assert len(str(error.value)) < 600


def _write_parquet(path, **columns):
  pq.write_table(pa.table(columns), str(path))


def test_parquet_has_texts_numbers_and_booleans(tmp_path):
  path = tmp_path / 'train.parquet'
  vectors = [[1.0], [2.0]]
  _write_parquet(path, q=['a\nb', 'é'], y=[1, 0], key=['x', None], v=vectors)
  fields = Fields('q', label='y', index='key')
  task = custom.classification(('0', '1'), custom.in_files(fields))
  assert task.read_split(str(tmp_path), 'train') == [
    Example('x', 'a\nb', None, '1'),
    Example('1', 'é', None, '0'),
  ]
  scores = pa.array([decimal.Decimal('4.5'), decimal.Decimal('3')])
  _write_parquet(path, sentence=['a', 'b'], label=scores)
  numbers = custom.regression(custom.in_files())
  found = numbers.read_split(str(tmp_path), 'train')
  assert [example.label for example in found] == ['4.5', '3.0']
  kinds = {'b': [True, None], 'f': [0.5, float('nan')], 'd': ['z', 'z']}
  kinds['d'] = pa.array(kinds['d']).dictionary_encode()
  _write_parquet(path, **kinds)
  rows = tables.read_rows(
    str(path), 'parquet', ('b', 'd'), optional=('f', 'no'), allows_missing=True
  )
  assert list(rows) == [
    (1, {'b': 'true', 'd': 'z', 'f': '0.5'}),
    (2, {'d': 'z'}),
  ]


def test_parquet_names_columns_and_rows(tmp_path):
  path = tmp_path / 'train.parquet'
  task = custom.classification(('0', '1'))

  def fails(message, **columns):
    _write_parquet(path, **columns)
    with pytest.raises(UserError, match=message):
      task.read_split(str(tmp_path), 'train')

  fails("no column 'label'; its columns are 'sentence'", sentence=['a'])
  fails("'label' has type list.*expected text, n", sentence=['a'], label=[[1]])
  fails(
    "row 2: there is no 'label'", sentence=['a', 'b'], label=pa.array([1, None])
  )
  fails("parquet, row 1: unknown label '2'", sentence=['a'], label=[2])
  fails('row 2: expected UTF-8', sentence=[b'a', b'\xff'], label=['0', '0'])
  path.write_bytes(b'PAR1 no')
  with pytest.raises(UserError, match='is not a Parquet file'):
    task.read_split(str(tmp_path), 'train')


@pytest.mark.parametrize(
  ('name', 'expected'),
  [('a.tsv.gz', 'tsv'), ('b.JSON', 'jsonl'), ('c.d.parquet', 'parquet')],
)
def test_the_ending_gives_the_format(name, expected):
  assert tables.format_of(name) == expected
  for other in ('a', 'a.txt', 'a.parquet.gz', 'tsv'):
    with pytest.raises(UserError, match=f'{other}: expected a table'):
      tables.format_of(other)
