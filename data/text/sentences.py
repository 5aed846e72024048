"""A sentence splitter for running text.

It uses sentencex (Wikimedia; 300 languages; written in Rust), which is much
faster than tensorflow-text's breaker and more accurate; that one also cuts
within characters. sentencex holds Python's global interpreter lock, so that
only processes make it faster.
"""

import itertools
import re
from collections.abc import Iterator

import sentencex

# Characters passed to sentencex at a time. After a quotation mark that is never
# closed, sentencex finds no sentence end and becomes slow; the window limits
# both effects.
_WINDOW = 2000
# A longer sentence is split at each full stop.
_MAX_SENTENCE = 400
_END = re.compile(r'[.!?…]["”’»)\]]*\s+')
# sentencex 1.0.32 panics at a single capital, white space that is not ASCII,
# and a full stop, as in 'vitamin C\u00a0.'
_NOT_ASCII_SPACE = re.compile(r'[^\S\x00-\x7f]')
_CAUSES_PANIC = re.compile(r'[A-Z]\s*[^\S\x00-\x7f]\s*\.')


def split(text: str, language: str) -> list[str]:
  """Splits a text into its sentences.

  Args:
    text: a line end also ends a sentence.
    language: the code that `languages.resolve` returned.

  Returns:
    The sentences in order, stripped of white space, none blank.
  """
  return [
    sentence
    for line in text.split('\n')
    for part in _parts(line, language)
    if (sentence := part.strip())
  ]


def split_wrapped(text: str, language: str) -> list[str]:
  """Splits wrapped text: a blank line ends a sentence, a line end does not."""
  paragraphs = text.split('\n\n')
  return [
    sentence
    for paragraph in paragraphs
    for sentence in split(paragraph.replace('\n', ' '), language)
  ]


def _parts(line: str, language: str) -> Iterator[str]:
  """Yields the sentences of a line; joined, they give the line."""
  start = 0
  while start < len(line):
    window = line[start : start + _WINDOW]
    parts = _segments(window, language)
    if start + len(window) < len(line):
      parts = _complete(parts, window)
    for part in parts:
      yield from [part] if len(part) <= _MAX_SENTENCE else _at_full_stops(part)
      start += len(part)


def _segments(window: str, language: str) -> list[str]:
  """Returns sentencex's sentences of a window; joined, they give the window."""
  text = window
  if not text.isascii() and _CAUSES_PANIC.search(text):
    text = _NOT_ASCII_SPACE.sub(' ', text)
  try:
    parts = sentencex.segment(language, text)
  except BaseException as error:
    # It is not an `Exception`, and cannot be imported.
    if type(error).__name__ != 'PanicException':
      raise
    parts = list(_at_full_stops(text))
  if text is window:
    return parts
  ends = itertools.accumulate(map(len, parts), initial=0)
  return [window[start:end] for start, end in itertools.pairwise(ends)]


def _complete(parts: list[str], window: str) -> list[str]:
  """Drops the last sentence, which may continue after the window."""
  if len(parts) > 1:
    return parts[:-1]
  # The window has no sentence end: cut it at its last space, if it has one.
  words = window.rstrip().rpartition(' ')[0]
  return [words or window]


def _at_full_stops(text: str) -> Iterator[str]:
  start = 0
  for found in _END.finditer(text):
    yield text[start : found.end()]
    start = found.end()
  yield text[start:]
