"""Text in the formats that are lines, as documents."""

import pytest

from data.corpus.corpus import Corpus
from data.corpus.document import Document, Rejected
from data.corpus.options import CorpusOptions


@pytest.fixture
def read(tmp_path):
  """Returns a function of bytes that reads them as a file of a format."""

  def reading(content, **options):
    path = tmp_path / 'input'
    path.write_bytes(content)
    return list(Corpus(str(path), CorpusOptions(**options)).read(0))

  return reading


def test_bert_documents_end_at_blank_lines(read):
  text = ' \n\n a b\r\nc\u3000\n \t\n\n\nd\n\n\n\n\u00a0e\n'
  expected = [Document('a b\nc', 5), Document('d', 1), Document('e', 1)]
  assert read(text.encode()) == expected
  assert read(text.encode() + b'\n\n') == expected
  assert read('a\nü'.encode()) == [Document('a\nü', 4)]
  assert read(b'') == read(b'\n \n') == []


def test_a_bert_document_that_is_not_utf8_is_rejected_by_its_line(read):
  assert read(b'\na\n\n\nb\nc\xff\n\nd\n') == [
    Document('a', 1),
    Rejected('not_utf8', 'line 6'),
    Document('d', 1),
  ]
