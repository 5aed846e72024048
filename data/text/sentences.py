"""Splits running text into sentences.

sentencex (Wikimedia; 300 languages; Rust, 65 MB/s) finds them with F1 .955 in
joined lines of Wikipedia, tensorflow-text's breaker with .936 at 3 MB/s, and it
cuts inside of characters. sentencex holds Python's lock: threads gain nothing.
"""

import re
from collections.abc import Iterator

# It is given that many characters at a time. A quotation mark that is never
# closed hides the ends of all sentences after it, and makes it slow.
_WINDOW = 2000
# Where it finds no end for that long, every full stop is one.
_LONG = 400
_END = re.compile(r'[.!?…]["”’»)\]]*\s+')


def split(text: str, language: str) -> list[str]:
  """Splits a text into its sentences.

  Args:
    text: a line end ends a sentence, too.
    language: ISO 639 code; one that sentencex does not know means English.

  Returns:
    The sentences in their order, without white space around each, none blank.
  """
  return [
    sentence
    for line in text.split('\n')
    for part in _parts(line, language)
    if (sentence := part.strip())
  ]


def split_wrapped(text: str, language: str) -> list[str]:
  """Splits text whose lines are wrapped: only blank lines end a sentence."""
  paragraphs = text.split('\n\n')
  return [
    sentence
    for paragraph in paragraphs
    for sentence in split(paragraph.replace('\n', ' '), language)
  ]


def _parts(line: str, language: str) -> Iterator[str]:
  """Yields the sentences of a line, which make it up again."""
  import sentencex

  start = 0
  while start < len(line):
    window = line[start : start + _WINDOW]
    parts = sentencex.segment(language, window)
    if start + len(window) < len(line):
      parts = _without_cut_off(parts, window)
    for part in parts:
      yield from [part] if len(part) <= _LONG else _at_full_stops(part)
      start += len(part)


def _without_cut_off(parts: list[str], window: str) -> list[str]:
  """Leaves out the last sentence, which goes on after the window."""
  if len(parts) > 1:
    return parts[:-1]
  # There is no end in it. No word is cut if that can be helped.
  words = window.rstrip().rpartition(' ')[0]
  return [words or window]


def _at_full_stops(text: str) -> Iterator[str]:
  start = 0
  for found in _END.finditer(text):
    yield text[start : found.end()]
    start = found.end()
  yield text[start:]
