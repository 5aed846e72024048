"""Extracts plain English sentences from docstrings.

The first pass drops lines: code, tables, references and parameter headers. It
keeps the prose of notes and of parameter descriptions. The second pass strips
the markup of paragraphs, the third drops sentences that are not plain English.
The module handles the reStructuredText of numpydoc and the Markdown of Google's
docstring style. It drops doubtful sentences, since there is more text than the
quickstart needs.
"""

import functools
import inspect
import itertools
import re
from collections.abc import Iterable, Iterator

from tools import english_sentences

MIN_WORDS, MAX_WORDS = 5, 60

# The highest share of characters that are neither letters nor spaces. "Defaults
# to 0.5 (see alpha)." has 0.21 and is dropped; prose with a number and two
# commas is kept.
MAX_OTHER = 0.15

_FENCE = re.compile(r'\s*(```|~~~)')
_DOCTEST = re.compile(r'\s*(>>>|In \[\d+\]:)')
_DIRECTIVE = re.compile(r'\s*\.\.\s+(?:([\w-]+)::)?(.*)')
_PROSE_DIRECTIVES = frozenset(
  ['note', 'warning', 'important', 'tip', 'caution', 'attention', 'hint']
)
_UNDERLINE = re.compile(r'\s*([-=~^*])\1{2,}\s*$')
_DROPPED_SECTIONS = frozenset(
  ['references', 'reference', 'see also', 'citation', 'citations', 'methods']
)
_HEADING = re.compile(r'\s*#*\s*([A-Z][A-Za-z ]{2,25}):?\s*$')
_TABLE_ROW = re.compile(r'\s*(\||\+[-=]+\+|=+( +=+)+\s*$)')
# numpydoc's "x, y : array_like, optional"; its colon has a space before it.
_NUMPY_HEADER = re.compile(r'\s*[*`\w][\w*`, .]*\s:(\s|$)')
# Google's "name (type): Text" and Sphinx's ":param name: text".
_ITEM_NAME = re.compile(
  r'\s*(?:[`*]*\w[\w.]*[`*]*(?:\s\([^)]*\))?:|:\w+(?:\s[\w*]+)*:)\s+'
)
_BULLET = re.compile(r'\s*(?:[-*+•]|\d{1,2}[.)]|\([a-z0-9]\))\s+')

_MARKUP = (
  (re.compile(r':math:`[^`]*`'), r'\\'),  # `_FOREIGN` drops the sentence.
  (re.compile(r':[\w:+-]+:`~(?:[\w]+\.)*([^`]*)`'), r'\1'),
  (re.compile(r':[\w:+-]+:`([^`<]*?)\s*(?:<[^`>]*>)?`'), r'\1'),
  (re.compile(r'`([^`<]+?)\s*<[^`>]*>`_{1,2}'), r'\1'),
  (re.compile(r'\[([^\]]+)\]\((?:[^)]*)\)'), r'\1'),
  (re.compile(r'\s*\[[\w*#]{1,10}\]_'), ''),
  (re.compile(r'`{1,3}([^`]+)`{1,3}_{0,2}'), r'\1'),
  (re.compile(r'(?<!\w)(\*{1,2})(\S(?:[^*]*\S)?)\1(?!\w)'), r'\2'),
  (re.compile(r'</?[a-z]{1,6}/?>'), ''),
  (re.compile(r'\s+'), ' '),
)

_NOT_ALPHABETIC = re.compile(r'[^A-Za-z ]')
_FOREIGN = re.compile(
  r'[\\`{}|<>=@#$^~*%;\[\]]|://|\.\.|--|__| [:,.]|[^\x20-\x7e]'
)
# A sentence without any of these words is a heading or a list of words.
_FUNCTION_WORD = re.compile(
  r'\b(?:an?|the|of|to|in|is|are|be|and|or|for|with|this|that|it|if|as|by|on'
  r'|not|from|at|can|will|when|which)\b',
  re.IGNORECASE,
)


# Generated modules repeat whole docstrings: one call in nine hits the cache.
@functools.lru_cache(maxsize=1 << 15)
def sentences(docstring: str) -> tuple[str, ...]:
  """Returns the plain English sentences of a docstring, in order.

  Args:
    docstring: the text from the source, indentation included.

  Returns:
    Sentences of `MIN_WORDS` to `MAX_WORDS` words in printable ASCII, without
    markup, each beginning with a capital and ending in '.', '!' or '?'.
  """
  lines = inspect.cleandoc(docstring).splitlines()
  return tuple(
    sentence
    for paragraph in _paragraphs(_drop_sections(_drop_code(lines)))
    for sentence in english_sentences.split(strip_markup(paragraph))
    if is_prose(sentence)
  )


def strip_markup(paragraph: str) -> str:
  """Returns a paragraph as plain text with single spaces."""
  for pattern, replacement in _MARKUP:
    paragraph = pattern.sub(replacement, paragraph)
  return paragraph.strip()


def is_prose(sentence: str) -> bool:
  """Returns whether a sentence looks like plain English prose."""
  words = sentence.split()
  if not MIN_WORDS <= len(words) <= MAX_WORDS or _FOREIGN.search(sentence):
    return False
  if not sentence[0].isupper() or sentence.rstrip('")\'')[-1:] not in '.!?':
    return False
  if sentence.count('(') != sentence.count(')') or sentence.count('"') % 2:
    return False
  if len(_NOT_ALPHABETIC.findall(sentence)) > MAX_OTHER * len(sentence):
    return False
  return bool(_FUNCTION_WORD.search(sentence))


def _indent(line: str) -> int:
  return len(line) - len(line.lstrip())


def _drop_code(lines: Iterable[str]) -> Iterator[str]:
  """Blanks out fenced, literal and doctest blocks, directives and tables."""
  # `block` is the indentation of the line that opened a literal block.
  fenced, doctest, block = False, False, None
  for line in lines:
    if _FENCE.match(line):
      fenced = not fenced
      yield ''
      continue
    if line.strip():
      if block is not None and _indent(line) <= block:
        block = None
      doctest = doctest or bool(_DOCTEST.match(line))
    else:
      doctest = False
    if fenced or doctest or block is not None or _TABLE_ROW.match(line):
      yield ''
      continue
    directive = _DIRECTIVE.match(line)
    if directive and directive[1] in _PROSE_DIRECTIVES:
      yield from ('', directive[2])
    elif directive:
      block = _indent(line)
      yield ''
    elif line.rstrip().endswith('::'):
      block = _indent(line)
      yield line.rstrip()[:-1]
    else:
      yield line


def _drop_sections(lines: Iterable[str]) -> Iterator[str]:
  """Blanks out headings and whole sections that contain no prose."""
  lines, is_dropping = list(lines), False
  for line, following in itertools.pairwise([*lines, '']):
    heading = _HEADING.match(line)
    underlined = bool(line.strip() and _UNDERLINE.match(following))
    if heading and (underlined or line.rstrip().endswith(':')):
      is_dropping = heading[1].strip().lower() in _DROPPED_SECTIONS
      yield ''
    elif underlined or _UNDERLINE.match(line) or is_dropping:
      yield ''
    else:
      yield line


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
  """Joins lines into paragraphs.

  A blank line, a bullet, a parameter or less indentation ends a paragraph.
  """
  gathered: list[str] = []
  previous = 0
  for line in lines:
    is_header = ' :' in line and bool(_NUMPY_HEADER.match(line))
    bullet = _BULLET.match(line)
    body = line[bullet.end() :] if bullet else line
    item = _ITEM_NAME.match(body) if ':' in body else None
    body = body[item.end() :] if item else body
    starts = bullet or item or _indent(line) < previous
    if (starts or is_header or not line.strip()) and gathered:
      yield ' '.join(gathered)
      gathered = []
    if line.strip() and not is_header:
      gathered.append(body.strip())
      previous = _indent(line)
    else:
      previous = 0
  if gathered:
    yield ' '.join(gathered)
