"""Reading a transfer set's files, and the columns of its tables."""

import gzip
import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from data.tasks import custom, glue, tfds_splits
from data.tasks.examples import Fields
from data.tasks.options import TaskOptions
from data.tasks.text_rows import TextColumns
from distillation import transfer_set, transfer_text
from distillation.transfer_options import TransferOptions
from system.errors import UserError

SENTENCE = TextColumns(('sentence',))
PAIR = TextColumns(('a', 'b'))


def _write(folder, name, content):
  path = folder / name
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  return str(path)


def test_a_texts_id_has_file_and_line(tmp_path):
  plain = _write(tmp_path, 'a.txt', 'One.\n\n  \nTwo\u2028too.\r\n')
  zipped = _write(tmp_path, 'b', gzip.compress(b'Three.'))
  assert transfer_text.read_files([plain, zipped], SENTENCE) == [
    [
      ('a.txt:1', 'One.', None, None),
      ('a.txt:4', 'Two\u2028too.', None, None),
    ],
    [('b:1', 'Three.', None, None)],
  ]


def test_a_file_belongs_to_the_first_pattern_that_matches_it(tmp_path):
  a = _write(tmp_path, 'a.txt', 'One.\n')
  _write(tmp_path, 'b.txt', 'Two.\n')
  groups = transfer_text.read_files([a, f'{tmp_path}/*.txt'], SENTENCE)
  assert [[text.text_a for text in group] for group in groups] == [
    ['One.'],
    ['Two.'],
  ]


def test_ids_have_the_path_if_names_are_equal(tmp_path):
  paths = []
  for folder in ('x', 'y'):
    (tmp_path / folder).mkdir()
    paths.append(_write(tmp_path / folder, 'a.txt', 'One.\tUno.\n'))
  assert transfer_text.read_files(paths, SENTENCE) == [
    [(f'{path}:1', 'One.', 'Uno.', None)] for path in paths
  ]


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (
      'One.\n\nOne.\tUno.\n',
      'a.txt:3: found a tab-separated pair.*as in a.txt:1',
    ),
    ('One.\tUno.\nTwo.\n', 'a.txt:2: found a single sentence'),
    ('One.\tUno.\tEin.\n', 'a.txt, line 1: found 3 columns'),
    ('One.\t \n', 'a.txt, line 1: one half'),
    ('\n \n', 'every line is blank'),
    ('', 'no text'),
  ],
)
def test_malformed_transfer_text_is_refused(tmp_path, content, message):
  path = _write(tmp_path, 'a.txt', content)
  with pytest.raises(UserError, match=message):
    transfer_text.read_files([path], SENTENCE)


def _texts(folder, name, content, columns):
  (texts,) = transfer_text.read_files([_write(folder, name, content)], columns)
  return [text[:3] for text in texts]


def _parquet(rows, kind=None):
  sink = io.BytesIO()
  columns = {name: pa.array(values, kind) for name, values in rows.items()}
  parquet.write_table(pa.table(columns), sink)
  return sink.getvalue()


@pytest.mark.parametrize(
  ('name', 'content', 'lines'),
  [
    ('t.csv', 'b,y,a\nOne,1,"U, no"\n,,\n"Tw\no",0,Dos\n\n', (2, 4)),
    (
      't.jsonl',
      '{"a": "U, no", "b": "One"}\n{"a": "", "b": " "}\n'
      '{"b": "Tw\\no", "a": "Dos", "y": 1}\n\n',
      (1, 3),
    ),
    (
      't.parquet',
      _parquet(
        {
          'b': ['One', '', 'Tw\no'],
          'y': ['1', '2', '3'],
          'a': ['U, no', '', 'Dos'],
        }
      ),
      (1, 3),
    ),
  ],
  ids=['csv', 'jsonl', 'parquet'],
)
def test_the_columns_of_a_table_are_read(tmp_path, name, content, lines):
  first, second = lines
  assert _texts(tmp_path, name, content, PAIR) == [
    (f'{name}:{first}', 'U, no', 'One'),
    (f'{name}:{second}', 'Dos', 'Tw\no'),
  ]


@pytest.mark.parametrize(
  ('name', 'content'),
  [
    ('t.jsonl', '{"a": null}\n{"a": "x"}\n'),
    ('t.parquet', _parquet({'a': [None, 'x']})),
  ],
  ids=['jsonl', 'parquet'],
)
def test_a_null_is_a_blank_text(tmp_path, caplog, name, content):
  columns = TextColumns(('a',), are_given=True)
  assert _texts(tmp_path, name, content, columns) == [(f'{name}:2', 'x', None)]
  assert f'{name}: left out 1 blank lines' in caplog.text


def test_a_table_may_be_compressed_and_its_ending_in_capitals(tmp_path):
  content = gzip.compress(b'a,y,b\nUno,1,One\n')
  expected = [('T.CSV.GZ:2', 'Uno', 'One')]
  assert _texts(tmp_path, 'T.CSV.GZ', content, PAIR) == expected
  content = gzip.compress(b'a\ty\tb\nUno\t1\tOne\n')
  expected = [('t.tsv.gz:2', 'Uno', 'One')]
  assert _texts(tmp_path, 't.tsv.gz', content, PAIR) == expected


def test_a_first_line_that_names_the_columns_makes_a_table(tmp_path, caplog):
  content = 'a\tb\nUno\tOne\n'
  assert _texts(tmp_path, 't.txt', content, PAIR) == [('t.txt:2', 'Uno', 'One')]
  assert 't.txt is read as a table in TSV' in caplog.text
  # Any other first line is a text.
  content = 'sentence one\ta\nUno\tOne\n'
  assert len(_texts(tmp_path, 't.tsv', content, PAIR)) == 2


@pytest.mark.parametrize(
  ('name', 'content', 'message'),
  [
    ('t.txt', 'sentence1\tsentence2\nx\ty\n', "the header 'sentence1', 'sent"),
    ('t.tsv', 'text\tlabel\nx\t1\n', "line 1: found the header 'text', 'label"),
    ('t.txt', 'text\nx\n', "line 1: found the header 'text', expected a text"),
    ('t.txt', 'x\ry\r', 'has 1 carriage returns and no line feed'),
    ('t.csv', 'a,c\nx,y\n', "line 1: .* column 'b', found 'a', 'c'"),
    ('t.csv', 'a,b,a\nx,y,z\n', "line 1: .* found 2 columns 'a'"),
    ('t.csv', 'a,b\nx\n', 'line 2: found 1 columns, expected 2'),
    ('t.csv', 'a,b\nx,\n', 'line 2: one half of the pair is empty'),
    ('t.jsonl', '{"a": "x"}\n', "line 1: there is no 'b', found 'a'"),
    ('t.json', '[{"a": "x"}]\n', 'line 1: expected a JSON object'),
    (
      't.jsonl',
      '{"a": "x", "b": "\\ud83d"}\n',
      'line 1: .* half of a surrogate pair',
    ),
    (
      't.parquet',
      _parquet({'a': ['x'], 'c': ['y']}),
      r"no column 'b' \(`text_column`\); its columns are 'a', 'c'",
    ),
    (
      't.parquet',
      _parquet({'a': ['x', 'x'], 'b': ['y', None]}),
      "row 2: there is no 'b'",
    ),
    (
      't.parquet',
      _parquet({'a': [b'x'], 'b': [b'\xff']}, pa.binary()),
      'row 1: expected UTF-8 text: .*0xff',
    ),
  ],
  ids=lambda value: value[:20] if isinstance(value, str) else 'bytes',
)
def test_a_mistake_in_a_table_is_named(tmp_path, name, content, message):
  with pytest.raises(UserError, match=f'{name}.*{message}'):
    _texts(tmp_path, name, content, PAIR)


def test_given_columns_need_a_table(tmp_path):
  columns = TextColumns(('a', 'b'), are_given=True)
  plain = _write(tmp_path, 't.txt', 'x\ty\n')
  table = _write(tmp_path, 't.csv', 'a,b\nUno,One\n')
  assert len(transfer_text.read_files([plain, table], columns)) == 2
  with pytest.raises(UserError, match="no file .* names 'a', 'b'"):
    transfer_text.read_files([plain], columns)
  with pytest.raises(
    UserError, match="t.tsv, line 1: .* column 'a', found 'x'"
  ):
    _texts(tmp_path, 't.tsv', 'x\ty\n', columns)


def _columns(task, transfer=None, **options):
  transfer = transfer or TransferOptions()
  options = {'task_name': task.name, 'data_dir': '/none', **options}
  return transfer_set.columns_of(task, TaskOptions(**options), transfer)


def test_transfer_tables_may_have_columns_of_their_own():
  splits = custom.in_files(Fields('a', 'b'))
  task = custom.classification(('0', '1'), splits)
  own = TransferOptions(transfer_text_column='x')
  columns = _columns(task, own, text_column='a', text_pair_column='b')
  assert columns == TextColumns(('x', 'b'), are_given=True)
  pair = TransferOptions(transfer_text_pair_column='y')
  with pytest.raises(UserError, match='`transfer_text_pair_column`=y cannot'):
    _columns(glue.get_task('SST-2'), pair)


def test_a_task_decides_the_columns_that_are_not_given():
  qqp, sst2 = glue.get_task('QQP'), glue.get_task('SST-2')
  assert _columns(qqp) == TextColumns(('question1', 'question2'))
  assert _columns(tfds_splits.from_tfds(glue.get_task('MNLI'))) == TextColumns(
    ('premise', 'hypothesis')
  )
  given = _columns(qqp, text_column='q')
  assert given == TextColumns(('q', 'question2'), are_given=True)
  assert _columns(sst2) == SENTENCE
  with pytest.raises(UserError, match='SST-2 has single sentences'):
    _columns(sst2, text_pair_column='b')
  splits = custom.in_files(Fields('a', 'b'))
  task = custom.classification(('0', '1'), splits)
  assert _columns(task, text_column='a', text_pair_column='b') == PAIR
