"""Reads what WikiExtractor makes of a Wikipedia dump.

  <doc id="12" url="https://en.wikipedia.org/wiki?curid=12" title="Anarchism">
  Anarchism

  Anarchism is a political philosophy ...
  </doc>

The title that it repeats in the first line is left out. Of its other form, with
--json, each line is a JSON object with the text in the field 'text'.
"""

import html
import re

from data.text.corpus_options import CorpusOptions
from data.text.document import TOO_LONG, DocumentMaker
from data.text.text_formats import Documents, Input, numbered_lines, shown
from system.errors import UserError

_BEGIN = re.compile(r'<doc .*?(?:title="(.*)")?\s*>\s*')


def read_wikiextractor(source: Input, options: CorpusOptions) -> Documents:
  """Reads articles between lines <doc ...> and </doc>.

  Raises:
    UserError: a line is in no article, or an article does not end.
  """
  maker = DocumentMaker(options.min_document_characters)
  begin = 0  # The line of the <doc>, 0 outside of an article.
  title = None  # Until the article's first line has been seen.
  number = 0
  for number, line in numbered_lines(source):
    if line is None:
      maker.reject(TOO_LONG, number)
    elif line.startswith('<doc ') and (found := _BEGIN.fullmatch(line)):
      _check(not begin, source.path, number, '</doc>', line)
      begin, title = number, found[1]
      yield from maker.add('', number)  # An article without text is one.
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
  is_right: bool, path: str, number: int, expected: str, found: str
) -> None:
  if is_right:
    return
  hint = ''
  if found.startswith('{'):
    hint = " (--input_format=jsonl reads WikiExtractor's --json output)"
  raise UserError(
    f'{path}, line {number}: expected {expected}, found {shown(found)}{hint}'
  )
