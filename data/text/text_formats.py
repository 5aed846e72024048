"""Readers of the formats that are lines of text.

Each yields one file's documents in their order, whoever opens it.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from data.text.corpus_options import CorpusOptions
from data.text.document import TOO_LONG, Document, DocumentMaker, Rejected
from system import files, streams
from system.errors import UserError


class Input(NamedTuple):
  """One of a corpus's inputs.

  Attributes:
    path: its name.
    open_file: opens it.
    told: is told how much of it has been read.
    tfds_data_dir: where tensorflow-datasets keeps its data.
  """

  path: str
  open_file: streams.Open = files.open_stream
  told: streams.Told | None = None
  tfds_data_dir: str | None = None


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

# White space at a line's start or end, looked for at the line ends alone.
_EDGE = re.compile(r'\n(?:(?=[^\S\n])|(?<=[^\S\n]\n))')


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
  for block in streams.read_blocks(source.path, source.open_file, source.told):
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
  """Reads a document a line; blank lines are none."""
  maker = DocumentMaker(options.min_document_characters)
  for number, line in numbered_lines(source):
    if line is None:
      yield Rejected(TOO_LONG, f'line {number}')
    elif line and not line.isspace():
      yield from maker.whole(line, number)


def read_text_file(source: Input, options: CorpusOptions) -> Documents:
  """Reads a document a file; blank lines end its paragraphs."""
  maker = DocumentMaker(options.min_document_characters)
  for block in _blocks(source):
    if block.text is None:
      maker.reject(TOO_LONG, block.number)
    else:
      yield from maker.add(_stripped(block.text), block.number)
  yield from maker.end()


def read_jsonl(source: Input, options: CorpusOptions) -> Documents:
  """Reads a JSON object a line, with the text in one of its fields."""
  maker = DocumentMaker(options.min_document_characters, counts_lines=False)
  for number, line in numbered_lines(source):
    if line is None:
      yield Rejected(TOO_LONG, f'line {number}')
    elif line and not line.isspace():
      where = f'{source.path}, line {number}'
      text = _json_field(line, options.text_field, where)
      yield from maker.whole(text, number)


def _json_field(line: str, field: str, where: str) -> str:
  """Returns the text of a JSON object; null is none.

  Raises:
    UserError: it is no object, or has no such field, or that is no text.
  """
  try:
    row = json.loads(line)
  except (ValueError, RecursionError) as error:
    raise UserError(
      f'{where}: expected a JSON object, found {shown(line)}: {error}'
    ) from error
  if not isinstance(row, dict):
    raise UserError(f'{where}: expected a JSON object, found {shown(line)}')
  if field not in row:
    raise UserError(
      f'{where}: there is no field {field!r} (--text_field); there are '
      f'{", ".join(row)}'
    )
  text = row[field]
  if text is not None and not isinstance(text, str):
    raise UserError(
      f'{where}: expected text in the field {field!r}, found '
      f'{shown(json.dumps(text))}'
    )
  return text or ''


def numbered_lines(source: Input) -> Iterator[tuple[int, str | None]]:
  """Yields a text file's lines and their numbers, as `_blocks`."""
  for block in _blocks(source):
    if block.text is None:
      yield block
    else:
      yield from enumerate(block.text.split('\n'), block.number)


def _stripped(text: str) -> str:
  """Returns lines without white space around each."""
  if not _EDGE.search(f'\n{text}\n'):
    return text
  return '\n'.join([line.strip() for line in text.split('\n')])


def shown(text: str) -> str:
  """Returns the beginning of a text for a message."""
  return repr(text[:60]) + ('...' if len(text) > 60 else '')
