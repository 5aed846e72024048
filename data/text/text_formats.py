"""Readers of the line-based formats: bert, text, text_file and jsonl.

A reader yields one file's documents in order.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from data.text.corpus_options import CorpusOptions
from data.text.document import TOO_LONG, Document, DocumentMaker, Rejected
from system import files, json_text, streams
from system.errors import UserError, listed, shown


class Input(NamedTuple):
  """One input of a corpus.

  Attributes:
    path: the file's path or the data set's name.
    open_file: opens a path for reading bytes.
    on_progress: called with how much of the input has been read; see
      `Corpus.sizes` for the unit.
  """

  path: str
  open_file: streams.Open = files.open_stream
  on_progress: streams.OnProgress | None = None


Documents = Iterator[Document | Rejected]
Reader = Callable[[Input, CorpusOptions], Documents]

# The first bytes of files that users often mistake for text.
_BINARY = {
  b'PK\x03\x04': 'a zip archive',
  b'7z\xbc\xaf': 'a 7z archive',
  b'%PDF': 'a PDF file',
  b'\x89PNG': 'an image',
  b'PAR1': 'a Parquet file, which `input_format`=parquet reads',
  b'\xff\xfe': 'text in UTF-16',
  b'\xfe\xff': 'text in UTF-16',
}

# A block with more NUL bytes is not text. The documents with a NUL in other
# blocks are left out.
_MAX_NULS = 100

# Matches a line end next to white space of either line. It is fast, because it
# begins only at line ends.
_EDGE = re.compile(r'\n(?:(?=[^\S\n])|(?<=[^\S\n]\n))')


class _Lines(NamedTuple):
  """Some lines of a file.

  Attributes:
    number: the number of the first line, from 1.
    text: the lines; None for a single line that is too long.
  """

  number: int
  text: str | None


def _blocks(source: Input) -> Iterator[_Lines]:
  """Yields a text file's lines in blocks, without the last line's end.

  Bytes that are not UTF-8 become surrogates.

  Raises:
    UserError: the file is damaged, is not text or cannot be read.
  """
  blocks = streams.read_blocks(
    source.path, source.open_file, source.on_progress
  )
  for block in blocks:
    if block.content is None:
      yield _Lines(block.line, None)
      continue
    _refuse_binary(source.path, block)
    text = block.content.decode('utf-8', 'surrogateescape')
    yield _Lines(block.line, text.removesuffix('\n'))


def _refuse_binary(path: str, block: streams.Block) -> None:
  """Raises a `UserError` that names the line if a block is not text."""
  if block.line == 1:
    for magic, kind in _BINARY.items():
      if block.content.startswith(magic):
        raise UserError(f'{path} is {kind}; expected UTF-8 text')
  if (num_nuls := block.content.count(0)) > _MAX_NULS:
    nul = block.content.index(0)
    line = block.line + block.content.count(b'\n', 0, nul)
    raise UserError(
      f'{path}, line {line}: found {num_nuls:,} NUL bytes from here on, '
      'expected UTF-8 text (is it a binary file?)'
    )


def read_bert(source: Input, options: CorpusOptions) -> Documents:
  """Reads one sentence per line, with blank lines between documents."""
  maker = DocumentMaker(options.min_document_characters)
  for block in _blocks(source):
    if block.text is None:
      yield from maker.leave_out(TOO_LONG, block.number)
      continue
    text = _stripped(block.text)
    if not text or text[0] == '\n':
      yield from maker.end()
    *ended, last = text.split('\n\n')
    number = block.number
    for part in ended:
      if sentences := part.strip('\n'):
        yield from maker.add(sentences, number + part.startswith('\n'))
      yield from maker.end()
      number += part.count('\n') + 2
    if sentences := last.strip('\n'):
      yield from maker.add(sentences, number + last.startswith('\n'))
    if last.endswith('\n'):
      yield from maker.end()
  yield from maker.end()


def read_text(source: Input, options: CorpusOptions) -> Documents:
  """Reads one document per line; skips blank lines."""
  maker = DocumentMaker(options.min_document_characters)
  for number, line in numbered_lines(source):
    if line is None:
      yield Rejected(TOO_LONG, f'line {number}')
    elif line and not line.isspace():
      yield from maker.whole(line, number)


def read_text_file(source: Input, options: CorpusOptions) -> Documents:
  """Reads one document per file; blank lines separate its paragraphs."""
  maker = DocumentMaker(options.min_document_characters)
  for block in _blocks(source):
    if block.text is None:
      yield from maker.leave_out(TOO_LONG, block.number)
    else:
      yield from maker.add(_stripped(block.text), block.number)
  yield from maker.end()


def read_jsonl(source: Input, options: CorpusOptions) -> Documents:
  """Reads one JSON object a line, with the text in one of its fields.

  Raises:
    UserError: a line is not an object, or has no text in this field.
  """
  maker = DocumentMaker(options.min_document_characters, counts_lines=False)
  for number, line in numbered_lines(source):
    if line is None:
      yield Rejected(TOO_LONG, f'line {number}')
    elif line and not line.isspace():
      where = f'{source.path}, line {number}'
      text = _json_field(line, options.text_field, where)
      yield from maker.whole(text, number)


def _json_field(line: str, field: str, where: str) -> str:
  """Returns the text in a field of a JSON object, '' for null.

  Raises:
    UserError: the line is not an object, or has no such field, or the field is
      not text.
  """
  row = json_text.parse_object(line, where)
  if field not in row:
    raise UserError(
      f'{where}: expected a field {field!r} (`text_field`), found the fields '
      f'{listed(row)}'
    )
  text = row[field]
  if text is not None and not isinstance(text, str):
    raise UserError(
      f'{where}: expected text in the field {field!r}, found '
      f'{shown(json.dumps(text))}'
    )
  return text or ''


def numbered_lines(source: Input) -> Iterator[tuple[int, str | None]]:
  """Yields the numbers and lines of a text file; None for a line too long.

  Raises:
    UserError: as `_blocks`.
  """
  for block in _blocks(source):
    if block.text is None:
      yield block
    else:
      yield from enumerate(block.text.split('\n'), block.number)


def _stripped(text: str) -> str:
  """Strips the white space around each line."""
  if not _EDGE.search(f'\n{text}\n'):
    return text
  return '\n'.join([line.strip() for line in text.split('\n')])
