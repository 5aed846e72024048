"""Reader of the text that WikiExtractor extracts from a Wikipedia dump.

  <doc id="12" url="https://en.wikipedia.org/wiki?curid=12" title="Anarchism">
  Anarchism

  Anarchism is a political philosophy ...
  </doc>

The reader drops an article's first line if it repeats the title. With --json
WikiExtractor writes the format jsonl instead, with the text in 'text'.
"""

import html
import re

from data.text.corpus_options import CorpusOptions
from data.text.document import TOO_LONG, DocumentMaker
from data.text.text_formats import Documents, Input, numbered_lines
from system.errors import UserError, shown

_BEGIN = re.compile(r'<doc .*?(?:title="(.*)")?\s*>\s*')


def read_wikiextractor(source: Input, options: CorpusOptions) -> Documents:
  """Reads one document an article, between the lines <doc ...> and </doc>.

  Raises:
    UserError: a line is outside the articles, or an article does not end.
  """
  maker = DocumentMaker(options.min_document_characters)
  begin = 0  # The line of <doc ...>; 0 outside an article.
  title = None  # Set until the article's first line is read.
  number = 0
  for number, line in numbered_lines(source):
    if line is None:
      yield from maker.leave_out(TOO_LONG, number)
    elif line.startswith('<doc ') and (found := _BEGIN.fullmatch(line)):
      _check(not begin, source.path, number, '</doc>', line)
      begin, title = number, found[1]
      yield from maker.add('', number)  # Counts even without text.
    elif begin and line.rstrip() == '</doc>':
      yield from maker.end()
      begin = 0
    elif begin:
      is_title = title is not None and _is_same(title, line)
      yield from maker.add('' if is_title else line, number)
      title = None
    elif line and not line.isspace():
      _check(False, source.path, number, '<doc ...>', line)
  _check(not begin, source.path, number, '</doc>', 'the end of the file')


def _is_same(title: str, line: str) -> bool:
  return html.unescape(title).strip() == html.unescape(line).strip()


def _check(
  is_valid: bool, path: str, number: int, expected: str, found: str
) -> None:
  """Raises a `UserError` that names the line, unless it is valid."""
  if is_valid:
    return
  hint = ''
  if found.startswith('{'):
    hint = " (`input_format`=jsonl reads WikiExtractor's --json output)"
  raise UserError(
    f'{path}, line {number}: expected {expected}, found {shown(found)}{hint}'
  )
