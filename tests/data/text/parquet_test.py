"""Documents of Parquet files."""

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.document import Document, Rejected
from system import files
from system.errors import UserError


def _file(columns, **options):
  sink = io.BytesIO()
  parquet.write_table(pa.table(columns), sink, **options)
  return sink.getvalue()


def _twice(name):
  sink = io.BytesIO()
  column = pa.array(['a'])
  table = pa.Table.from_arrays([column, column], names=[name, name])
  parquet.write_table(table, sink)
  return sink.getvalue()


def _read(content, on_progress=None, **options):
  options = CorpusOptions(input_format='parquet', **options)
  corpus = Corpus(options, ['a.parquet'], lambda path: io.BytesIO(content))
  return list(corpus.read(0, on_progress))


@pytest.mark.parametrize(
  'kind',
  [
    *[pa.string(), pa.large_string(), pa.string_view()],
    *[pa.binary(), pa.dictionary(pa.int32(), pa.string())],
  ],
)
def test_a_row_is_a_document(kind):
  texts = pa.array([' a\nb ', None, 'ü', '']).cast(kind)
  rejected = [Rejected('too_short', f'record {number}') for number in (2, 4)]
  expected = [Document('a\nb', 3), rejected[0], Document('ü', 2), rejected[1]]
  content = _file({'id': [1, 2, 3, 4], 'body': texts})
  assert _read(content, text_field='body') == expected


def test_a_row_that_is_not_utf8_is_rejected():
  texts = pa.array([b'a', b'\xff', b'b'])
  expected = [Document('a', 1), Rejected('not_utf8', 'record 2')]
  assert _read(_file({'text': texts})) == [*expected, Document('b', 1)]


def test_rows_keep_their_order_over_row_groups():
  texts = [f'text {i}' for i in range(1000)]
  positions = []
  content = _file({'text': texts}, row_group_size=150)
  found = _read(content, positions.append)
  assert [document.text for document in found] == texts
  assert positions == sorted(positions)
  assert positions[-1] == len(content)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (
      _file({'title': ['a'], 'id': [1]}),
      "no column 'text' .*columns are 'title', 'id'",
    ),
    (_twice('text'), "several columns 'text' .*columns are 'text', 'text'"),
    (_file({'text': [1]}), "the column 'text' has type int64, expected text"),
    (_file({'text': [['a']]}), 'has type list<.*>, expected text'),
    (
      _file({'text': ['a']})[:-9],
      'a.parquet is not a Parquet file, or is damaged',
    ),
    (b'a text\n', 'a.parquet is not a Parquet file, or is damaged'),
    (b'', 'a.parquet is not a Parquet file, or is damaged'),
  ],
)
def test_files_without_a_text_column_are_named(content, message):
  with pytest.raises(UserError, match=f'^a.parquet.*{message}|^{message}'):
    _read(content)


def test_damage_within_a_file_is_named():
  content = bytearray(_file({'text': [f'{i}' * 50 for i in range(9999)]}))
  content[1000:30_000] = bytes(29_000)
  with pytest.raises(UserError, match='a.parquet is not a Parquet .*damaged'):
    _read(bytes(content))


def test_checksums_of_pages_are_verified():
  content = _file(
    {'text': ['a' * 100]},
    write_page_checksum=True,
    compression='none',
    use_dictionary=False,
    write_statistics=False,
  )
  damaged = content.replace(b'a' * 100, b'a' * 99 + b'b')
  with pytest.raises(
    UserError, match='a.parquet is not a Parquet .*damaged.*CRC'
  ):
    _read(damaged)


def test_remote_files_are_read(tmp_path):
  path = f'ram://{tmp_path}/a.parquet'
  files.make_folder(f'ram://{tmp_path}')
  with files.open_write(path, 'wb') as file:
    file.write(_file({'text': ['a', 'b']}))
  corpus = Corpus(CorpusOptions(path, 'parquet'))
  assert [document.text for document in corpus.read(0)] == ['a', 'b']
