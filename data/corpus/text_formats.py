"""Readers of the formats that are lines of text.

Each yields one file's documents in their order, whoever opens it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from data import files, streams
from data.corpus.document import (
  TOO_LONG,
  Document,
  DocumentMaker,
  Rejected,
)
from data.corpus.options import CorpusOptions
from data.errors import UserError


class Input(NamedTuple):
  """One of a corpus's inputs.

  Attributes:
    path: its name.
    open_file: opens it.
    told: is told how many of its stored bytes have been read.
  """

  path: str
  open_file: streams.Open = files.open_stream
  told: streams.Told | None = None


Documents = Iterator[Document | Rejected]
Reader = Callable[[Input, CorpusOptions], Documents]

# The first bytes of what is often taken for text.
_BINARY = {
  b'PK\x03\x04': 'a zip archive',
  b'7z\xbc\xaf': 'a 7z archive',
  b'%PDF': 'a PDF file',
  b'\x89PNG': 'an image',
  b'PAR1': 'a Parquet file, which --input_format=parquet reads',
  b'\xff\xfe': 'text in UTF-16',
  b'\xfe\xff': 'text in UTF-16',
}


class _Lines(NamedTuple):
  """A block of a file's lines; `text` is None for one that is too long."""

  number: int
  text: str | None


def _blocks(source: Input) -> Iterator[_Lines]:
  """Yields a text file's lines in blocks; the last line's end is left off.

  Bytes that are not UTF-8 become surrogates.

  Raises:
    UserError: the file cannot be read, is damaged or is no text.
  """
  for block in streams.read_blocks(*source):
    if block.content is None:
      yield _Lines(block.line, None)
      continue
    _refuse_binary(source.path, block)
    text = block.content.decode('utf-8', 'surrogateescape')
    yield _Lines(block.line, text.removesuffix('\n'))


def _refuse_binary(path: str, block: streams.Block) -> None:
  """Raises a `UserError` where a file is no text, and says where."""
  if block.line == 1:
    for magic, kind in _BINARY.items():
      if block.content.startswith(magic):
        raise UserError(f'{path} is {kind}; expected UTF-8 text')
  if (nul := block.content.find(0)) >= 0:
    line = block.line + block.content.count(b'\n', 0, nul)
    raise UserError(
      f'{path}, line {line}: found a NUL byte, expected UTF-8 text (is it a '
      'binary file?)'
    )


def read_bert(source: Input, options: CorpusOptions) -> Documents:
  """Reads a sentence a line, and blank lines between documents."""
  maker = DocumentMaker(options.min_document_characters)
  for block in _blocks(source):
    if block.text is None:
      maker.reject(TOO_LONG, block.number)
      continue
    text = '\n'.join([line.strip() for line in block.text.split('\n')])
    if not text or text[0] == '\n':
      yield from maker.end()
    *ended, last = text.split('\n\n')
    number = block.number
    for part in ended:
      if sentences := part.strip('\n'):
        first = number + part.startswith('\n')
        yield from maker.add(sentences, first)
      yield from maker.end()
      number += part.count('\n') + 2
    if sentences := last.strip('\n'):
      yield from maker.add(sentences, number + last.startswith('\n'))
    if last.endswith('\n') or (ended and not last):
      yield from maker.end()
  yield from maker.end()
