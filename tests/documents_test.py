import gzip

import numpy as np
import pytest

from data import documents
from data.documents import BlockReader
from data.errors import UserError


def characters(lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
  """A tokenizer: each letter a token; '-' is dropped."""
  texts = [line.replace('-', '') for line in lines]
  ids = np.array([ord(c) for text in texts for c in text], np.int32)
  return ids, np.array([len(text) for text in texts], np.int64)


def texts_of(block: documents.Documents) -> list[list[str]]:
  sentences = [
    ''.join(map(chr, block.tokens[start:end]))
    for start, end in zip(
      block.sentences[:-1], block.sentences[1:], strict=True
    )
  ]
  return [
    sentences[start:end]
    for start, end in zip(
      block.documents[:-1], block.documents[1:], strict=True
    )
  ]


def read(tmp_path, *texts: str, **limits) -> list[list[list[str]]]:
  paths = []
  for i, text in enumerate(texts):
    paths.append(str(tmp_path / f'{i}.txt'))
    (tmp_path / f'{i}.txt').write_text(text)
  return [texts_of(b) for b in BlockReader(paths, characters, **limits)]


@pytest.fixture(params=[1, 4, 1 << 20])
def batch_characters(request, monkeypatch):
  """However the text falls into calls of the tokenizer."""
  monkeypatch.setattr(documents, '_BATCH_CHARACTERS', request.param)


@pytest.mark.usefixtures('batch_characters')
def test_blank_lines_separate_documents(tmp_path):
  text = '\n \n ab \ncd\n\n\t\n\nef\n\n'
  assert read(tmp_path, text) == [[['ab', 'cd'], ['ef']]]


@pytest.mark.usefixtures('batch_characters')
def test_lines_without_tokens_are_no_sentences_and_no_blank_lines(tmp_path):
  assert read(tmp_path, '-\nab\n-\ncd\n\n-\n\nef') == [[['ab', 'cd'], ['ef']]]


@pytest.mark.usefixtures('batch_characters')
def test_documents_go_on_in_the_next_file(tmp_path):
  blocks = read(tmp_path, 'ab\n', 'cd\n\n', 'ef')
  assert blocks == [[['ab', 'cd'], ['ef']]]


@pytest.mark.usefixtures('batch_characters')
def test_text_without_documents_gives_no_block(tmp_path):
  assert read(tmp_path, '', '\n\n \n', '-\n') == []


@pytest.mark.usefixtures('batch_characters')
def test_blocks_hold_so_many_documents(tmp_path):
  text = 'a\n\nb\nc\n\nd\n\ne\n\nf\n'
  blocks = read(tmp_path, text, block_documents=2)
  # The rest is no block of its own, but goes with the last one.
  assert blocks == [[['a'], ['b', 'c']], [['d'], ['e'], ['f']]]


@pytest.mark.usefixtures('batch_characters')
def test_block_of_many_tokens_ends_with_a_document(tmp_path):
  text = 'aaa\n\nb\n\ncc\n\nddd\n\neeee\n\nf\n\nggg\n'
  blocks = read(tmp_path, text, block_tokens=5)
  assert blocks == [
    [['aaa'], ['b']],
    [['cc'], ['ddd']],
    [['eeee'], ['f'], ['ggg']],
  ]


@pytest.mark.usefixtures('batch_characters')
def test_only_a_document_longer_than_a_block_is_cut(tmp_path):
  blocks = read(
    tmp_path, 'aa\naa\naa\naaaaaaaa\n\nbbb\nb\n\nc\n', block_tokens=5
  )
  assert blocks == [
    [['aa', 'aa']],
    [['aa']],
    [['aaaaaaaa']],
    [['bbb', 'b'], ['c']],
  ]


def test_bytes_read_counts_all_text(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_bytes('é\n\nab\n'.encode())
  reader = BlockReader([str(path)], characters)
  list(reader)
  assert reader.bytes_read == 7


def test_text_bytes_knows_what_gzip_holds(tmp_path):
  (tmp_path / 'plain').write_bytes(b'x' * 50)
  (tmp_path / 'packed').write_bytes(gzip.compress(b'x' * 1000))
  paths = [str(tmp_path / 'plain'), str(tmp_path / 'packed')]
  assert documents.text_bytes(paths) == 1050


def test_broken_text_is_a_user_error(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_bytes(b'ab\n\xff\n')
  with pytest.raises(UserError, match='a.txt, line 2'):
    list(BlockReader([str(path)], characters))
