"""Splits English text into sentences, by rules.

`data.text.sentences` splits the text of many languages; these rules are those
of the quickstart's corpus and of the transfer sets in recipes/results/paper.
"""

import re

_BOUNDARY = re.compile(r'(?<=[.!?])(["\')]*)\s+(?=["\'(]?[A-Z])')
_ABBREVIATION = re.compile(
  r'(?:\b(?:e\.g|i\.e|etc|vs|cf|al|resp|approx|[Ff]igs?|[Ee]qs?|[Rr]efs?'
  r'|[Cc]h|[Ss]ec|[Nn]o|[Vv]ol|pp|Dr|Prof|St|Inc|[A-Z])\.)$'
)


def split(text: str) -> list[str]:
  """Splits at '.', '!' or '?' before a capital, except after 'e.g.'."""
  pieces, start = [], 0
  for boundary in _BOUNDARY.finditer(text):
    if not _ABBREVIATION.search(text[start : boundary.start()]):
      pieces.append(text[start : boundary.end()].strip())
      start = boundary.end()
  return [*pieces, text[start:]]
