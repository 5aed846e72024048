"""Documents of the line-based formats."""

import json

import pytest

from data.text.document import Document, Rejected
from system import streams
from system.errors import UserError


def test_bert_documents_end_at_blank_lines(read):
  text = ' \n\n a b\r\nc\u3000\n \t\n\n\nd\n\n\n\n\u00a0e\n'
  expected = [Document('a b\nc', 5), Document('d', 1), Document('e', 1)]
  assert read(text.encode()) == expected
  assert read(text.encode() + b'\n\n') == expected
  assert read('\ufeffa\nü'.encode()) == [Document('a\nü', 4)]
  assert read(b'') == read(b'\n \n') == []


def test_bert_documents_do_not_depend_on_the_block_size(read, monkeypatch):
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
    ('{"title": "a", "id": 1}', "a field 'text' .* fields 'title', 'id'"),
    ('{"text": ["a"]}', """expected text in the field 'text', found '."a".'"""),
    ('["a"]', "expected a JSON object, found '."),
    ('{"text": "a', 'expected a JSON object, found .*Unterminated'),
    ('[' * 100_000, r"found '\[{60}'\.\.\.: "),
  ],
)
def test_lines_that_are_not_json_objects_are_named(read, line, message):
  content = f'{{"text": "a"}}\n{line}\n'.encode()
  with pytest.raises(UserError, match=f'input, line 2: .*{message}'):
    read(content, 'jsonl')


@pytest.mark.parametrize('input_format', ['bert', 'text', 'text_file', 'jsonl'])
@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'PK\x03\x04...', 'input is a zip archive; expected UTF-8 text'),
    (b'\x89PNG\r\n', 'input is an image'),
    (b'PAR1..', 'a Parquet file, which `input_format`=parquet reads'),
    ('a\n'.encode('utf-16'), 'input is text in UTF-16'),
    (
      b'\n{"text": "a"}\n\nb' + b'\0' * 101,
      'input, line 4: found 101 NUL bytes',
    ),
    (b'{"text": "a"}\rb\rc', '2 carriage returns and no line feed'),
  ],
)
def test_binary_files_are_named(read, input_format, content, message):
  with pytest.raises(UserError, match=message):
    read(content, input_format)


def test_documents_with_a_nul_are_left_out_in_every_format(read):
  rejected = Rejected('has_nul', 'line 2')
  a, c = Document('a', 1), Document('c', 1)
  assert read(b'a\nb\0b\nd\n\nc') == [rejected, c]
  assert read(b'a\nb\0b\n\nc', 'text') == [a, rejected, c]
  assert read(b'a\nb\0b\n\nc', 'text_file') == [rejected]
  lines = b'{"text": "a"}\n{"text": "b\\u0000"}\n{"text": "c"}'
  assert read(lines, 'jsonl') == [a, rejected, c]
  article = b'<doc id="1">\nb\0\n</doc>\n<doc id="2">\nc\n</doc>\n'
  assert read(article, 'wikiextractor') == [rejected, c]


def test_a_line_that_is_too_long_is_left_out(read, monkeypatch):
  monkeypatch.setattr(streams, 'BLOCK_BYTES', 10)
  monkeypatch.setattr(streams, 'MAX_LINE_BYTES', 25)
  long = b'x' * 30
  rejected = Rejected('too_long', 'line 4')
  content = b'a\n\nb\n' + long + b'\nc\n\nd'
  a, b, d = map(Document, 'abd', [1, 1, 1])
  c = Document('c', 1, piece=1)
  assert read(content) == [a, b, rejected, c, d]
  assert read(content, 'text_file') == [
    *(Document('a\n\nb', 4), rejected, Document('c\n\nd', 4, piece=1))
  ]
  text = read(content, 'text')
  assert text == [
    *map(Document, 'ab', [1, 1]),
    rejected,
    ('c', 1, 0),
    ('d', 1, 0),
  ]
  article = b'<doc id="1">\nb\nc\n' + long + b'\nd\n</doc>\n'
  assert read(article, 'wikiextractor') == [
    *(Document('b\nc', 3), rejected, Document('d', 1, piece=1))
  ]
