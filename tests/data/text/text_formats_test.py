"""Text in the formats that are lines, as documents."""

import json

import pytest

from data.text import document
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.document import Document, Rejected
from system import streams
from system.errors import UserError


@pytest.fixture
def read(tmp_path):
  """Returns a function of bytes that reads them as a file of a format."""

  def reading(content, input_format='bert', **options):
    path = tmp_path / 'input'
    path.write_bytes(content)
    options = CorpusOptions(input_format=input_format, **options)
    return list(Corpus(str(path), options).read(0))

  return reading


def test_bert_documents_end_at_blank_lines(read):
  text = ' \n\n a b\r\nc\u3000\n \t\n\n\nd\n\n\n\n\u00a0e\n'
  expected = [Document('a b\nc', 5), Document('d', 1), Document('e', 1)]
  assert read(text.encode()) == expected
  assert read(text.encode() + b'\n\n') == expected
  assert read('\ufeffa\nü'.encode()) == [Document('a\nü', 4)]
  assert read(b'') == read(b'\n \n') == []


def test_bert_documents_are_the_same_however_the_file_is_read(
  read, monkeypatch
):
  content = b'\n\na\nb\n\nc\n\n\nd\xff\ne\n\n\n\nf\n\n \ng\nh'
  expected = read(content)
  assert expected == [
    Document('a\nb', 3),
    Document('c', 1),
    Rejected('not_utf8', 'line 9'),
    Document('f', 1),
    Document('g\nh', 3),
  ]
  for size in range(1, 12):
    monkeypatch.setattr(streams, 'BLOCK_BYTES', size)
    assert read(content) == expected, size


def test_text_has_a_document_a_line(read):
  content = b' a. b \n\n \t\r\nc\r\n\xe4\nxy'
  assert read(content, 'text', min_document_characters=2) == [
    Document('a. b', 4),
    Rejected('too_short', 'line 4'),
    Rejected('not_utf8', 'line 5'),
    Document('xy', 2),
  ]


def test_text_file_is_one_document(read):
  assert read(b'\n a \r\nb\n \nc\n\n', 'text_file') == [
    Document('a\nb\n\nc', 6)
  ]
  assert read(b'\n a\nb\n\xff', 'text_file') == [Rejected('not_utf8', 'line 4')]
  assert read(b'\n\n', 'text_file') == [Rejected('too_short', 'line 1')]
  assert read(b'', 'text_file') == []


def test_jsonl_has_the_text_in_a_field(read):
  rows = [{'body': ' a\n\nü '}, {'body': None, 'id': 1}, {'body': '\ud800'}]
  lines = [json.dumps(row) for row in rows]
  content = '\n'.join([*lines, '', '{"body": "b"}\r', '']).encode()
  content += b'{"body": "\xff", "id": 2}'
  assert read(content, 'jsonl', text_field='body') == [
    Document('a\n\nü', 5),
    Rejected('too_short', 'line 2'),
    Rejected('not_utf8', 'line 3'),
    Document('b', 1),
    Rejected('not_utf8', 'line 6'),
  ]


@pytest.mark.parametrize(
  ('line', 'message'),
  [
    ('{"title": "a", "id": 1}', "no field 'text' .* there are title, id"),
    ('{"text": ["a"]}', """expected text in the field 'text', found '."a".'"""),
    ('["a"]', "expected a JSON object, found '."),
    ('{"text": "a', 'expected a JSON object, found .*Unterminated'),
    ('[' * 100_000, r"found '\[{60}'\.\.\.: "),
  ],
)
def test_lines_that_are_no_json_objects_are_named(read, line, message):
  content = f'{{"text": "a"}}\n{line}\n'.encode()
  with pytest.raises(UserError, match=f'input, line 2: .*{message}'):
    read(content, 'jsonl')


def test_wikiextractor_has_articles_without_their_titles(read):
  content = """<doc id="1" url="https://a/b?curid=1" title="A &quot;B&quot;">
A "B"

First.
Ü.
</doc>

<doc id="2" url="" title="C">
Not the title.
C
</doc>
<doc id="3" url="" title="Empty">
Empty
</doc>
""".encode()
  assert read(content, 'wikiextractor') == [
    Document('First.\nÜ.', 10),
    Document('Not the title.\nC', 16),
    Rejected('too_short', 'line 12'),
  ]
  broken = content.replace('Ü'.encode(), b'\xff')
  assert read(broken, 'wikiextractor')[0] == Rejected('not_utf8', 'line 5')


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('\na\n', "line 2: expected <doc ...>, found 'a'"),
    ('<doc id="1">\na\n', "line 2: expected </doc>, found 'the end of"),
    ('<doc id="1">\n<doc id="2">\n', 'line 2: expected </doc>, found .<doc'),
    ('{"text": "a"}', 'input_format=jsonl reads WikiExtractor.s --json'),
  ],
)
def test_wikiextractor_articles_begin_and_end(read, content, message):
  with pytest.raises(UserError, match=message):
    read(content.encode(), 'wikiextractor')


@pytest.mark.parametrize('input_format', ['bert', 'text', 'text_file', 'jsonl'])
@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'PK\x03\x04...', 'input is a zip archive; expected UTF-8 text'),
    (b'\x89PNG\r\n', 'input is an image'),
    (b'PAR1..', 'a Parquet file, which --input_format=parquet reads'),
    ('a\n'.encode('utf-16'), 'input is text in UTF-16'),
    (b'\n{"text": "a"}\n\nb\0', 'input, line 4: found a NUL byte'),
  ],
)
def test_binary_files_are_named(read, input_format, content, message):
  with pytest.raises(UserError, match=message):
    read(content, input_format)


def test_documents_with_a_line_that_is_too_long_are_rejected(read, monkeypatch):
  monkeypatch.setattr(streams, 'BLOCK_BYTES', 10)
  monkeypatch.setattr(streams, 'MAX_LINE_BYTES', 25)
  long = b'x' * 30
  rejected = Rejected('too_long', 'line 4')
  content = b'a\n\nb\n' + long + b'\nc\n\nd'
  expected = [Document('a', 1), rejected, Document('d', 1)]
  assert read(content) == expected
  assert read(content, 'text_file') == [rejected]
  text = read(content, 'text')
  assert text == [
    *map(Document, 'ab', [1, 1]),
    rejected,
    ('c', 1, 0),
    ('d', 1, 0),
  ]
  article = b'<doc id="1">\nb\nc\n' + long + b'\nd\n</doc>\n'
  assert read(article, 'wikiextractor') == [rejected]


@pytest.fixture
def small_limits(monkeypatch):
  """Documents are cut from 8 bytes on, and rejected from 12 on if they are
  not."""
  monkeypatch.setattr(document, 'MAX_DOCUMENT_BYTES', 8)
  monkeypatch.setattr(document, 'MAX_UNCUT_BYTES', 12)


def test_long_documents_are_cut_at_line_ends(read, small_limits):
  text = 'abcd\nabc\n\naaaa\nbbbb\ncccc\ndddd\n5\n\nüü\nüü\nü\n'
  expected = [
    Document('abcd\nabc', 8),
    Document('aaaa\nbbbb', 9, 0),
    Document('cccc\ndddd', 9, 1),
    Document('5', 1, 2),
    Document('üü\nüü', 9, 0),
    Document('ü', 2, 1),
  ]
  # A piece is not too short: its document was not.
  assert read(text.encode(), min_document_characters=5) == expected
  lines = [json.dumps({'text': part}) for part in text.split('\n\n')]
  assert read('\n'.join(lines).encode(), 'jsonl') == expected


def test_long_documents_are_cut_where_they_would_be_in_any_block(
  read, small_limits, monkeypatch
):
  text = ''.join('xyz'[i % 3] * (i * 7 % 5) + '\n' for i in range(100))
  expected = {kind: read(text.encode(), kind) for kind in ('bert', 'text_file')}
  assert [made.piece for made in expected['text_file']][:3] == [0, 1, 2]
  for size in (3, 7, 20):
    monkeypatch.setattr(streams, 'BLOCK_BYTES', size)
    for kind, documents in expected.items():
      assert read(text.encode(), kind) == documents


def test_what_is_too_long_is_rejected_without_the_rest(read, small_limits):
  text = b'a\n' + b'x' * 13 + b'\nbbbb\nc\n\xff\n\nd'
  assert read(text) == [
    Rejected('too_long', 'line 1'),
    Rejected('not_utf8', 'line 5'),
    Document('d', 1),
  ]
