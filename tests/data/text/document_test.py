"""Documents built from parts, cut and rejected."""

import json

import pytest

from data.text import document
from data.text.document import TOO_LONG, Document, DocumentMaker, Rejected
from system import streams


def test_parts_become_one_document():
  maker = DocumentMaker(min_characters=2)
  assert maker.add(' a', 1) == []
  assert maker.add('ü \n', 2) == []
  assert maker.end() == [Document('a\nü', 4)]
  assert maker.end() == []


def test_positions_count_lines_or_records():
  lines = DocumentMaker(min_characters=2)
  assert lines.whole('a\n\udcff', 5) == [Rejected('not_utf8', 'line 6')]
  records = DocumentMaker(2, 'record', counts_lines=False)
  assert records.whole('a\n\udcff', 5) == [Rejected('not_utf8', 'record 5')]
  assert records.whole('a', 6) == [Rejected('too_short', 'record 6')]


def test_a_nul_and_bytes_that_are_not_utf8_are_treated_alike():
  maker = DocumentMaker(min_characters=1)
  for bad, reason in (('\0', 'has_nul'), ('\udcff', 'not_utf8')):
    assert maker.whole(f'a\nb{bad}', 5) == [Rejected(reason, 'line 6')]
  maker = DocumentMaker(1, 'record', counts_lines=False)
  assert maker.whole('\n\0', 5) == [Rejected('has_nul', 'record 5')]


def test_the_text_around_a_line_that_is_left_out_stays():
  maker = DocumentMaker(min_characters=2)
  maker.add('aa', 1)
  rejected = Rejected('too_long', 'line 2')
  assert maker.leave_out(TOO_LONG, 2) == [Document('aa', 2), rejected]
  assert maker.add('b', 3) == []
  assert maker.end() == [Document('b', 1, 1)]
  maker.add(' ', 4)
  assert maker.leave_out(TOO_LONG, 5) == [Rejected('too_long', 'line 5')]
  assert maker.end() == []
  assert maker.whole('cc', 6) == [Document('cc', 2)]
  # Nothing of the document is kept, so its rest may not be short either.
  maker.add('a', 7)
  short = Rejected('too_short', 'line 7')
  assert maker.leave_out(TOO_LONG, 8) == [short, Rejected('too_long', 'line 8')]
  assert maker.whole('b', 9) == [Rejected('too_short', 'line 9')]


@pytest.fixture
def small_limits(monkeypatch):
  """Cuts documents from 8 bytes on; rejects uncut ones of more than 12."""
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
  # A further piece may be short: its document was long enough.
  assert read(text.encode(), min_document_characters=5) == expected
  lines = [json.dumps({'text': part}) for part in text.split('\n\n')]
  assert read('\n'.join(lines).encode(), 'jsonl') == expected


def test_cuts_do_not_depend_on_the_block_size(read, small_limits, monkeypatch):
  text = ''.join('xyz'[i % 3] * (i * 7 % 5) + '\n' for i in range(100))
  expected = {kind: read(text.encode(), kind) for kind in ('bert', 'text_file')}
  assert [made.piece for made in expected['text_file']][:3] == [0, 1, 2]
  for size in (3, 7, 20):
    monkeypatch.setattr(streams, 'BLOCK_BYTES', size)
    for kind, documents in expected.items():
      assert read(text.encode(), kind) == documents


def test_only_the_piece_that_is_too_long_is_rejected(read, small_limits):
  text = b'a\n' + b'x' * 13 + b'\nbbbb\nc\n\xff\n\nd'
  assert read(text) == [
    Rejected('too_long', 'line 1'),
    Rejected('not_utf8', 'line 5'),
    Document('d', 1),
  ]
