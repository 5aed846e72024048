"""Documents, rejected documents, and the builder that makes them from text.

A document of more than 1 MiB is cut at the next line end; the rest becomes
another document. This bounds a reader's memory, however large the input.
"""

from typing import NamedTuple

MAX_DOCUMENT_BYTES = 1 << 20
# The limit for a document that has no line end to cut it at.
MAX_UNCUT_BYTES = 16 << 20

TOO_SHORT = 'too_short'
TOO_LONG = 'too_long'
NOT_UTF8 = 'not_utf8'
HAS_NUL = 'has_nul'
DUPLICATE = 'duplicate'
REASONS = (TOO_SHORT, TOO_LONG, NOT_UTF8, HAS_NUL, DUPLICATE)


class Document(NamedTuple):
  """A document, or a piece of a document that was cut.

  Attributes:
    text: the text without white space around it. In the format 'bert' it has
      one sentence per line, none blank, each without white space around it; in
      the other formats it is running text.
    num_bytes: UTF-8 bytes of `text`.
    piece: 0 for a document and for the first piece of one that was cut; 1, 2,
      ... for its further pieces.
  """

  text: str
  num_bytes: int
  piece: int = 0


class Rejected(NamedTuple):
  """A document, a piece of one, or a line that is left out.

  Attributes:
    reason: `TOO_SHORT`, `TOO_LONG`, `NOT_UTF8` or `HAS_NUL`.
    position: its position in its file: 'line 12', 'record 7'.
  """

  reason: str
  position: str


class DocumentMaker:
  """Builds documents from text that arrives in parts.

  Bytes that are not UTF-8 are expected as surrogates, as the error handler
  'surrogateescape' decodes them.
  """

  def __init__(
    self, min_characters: int, unit: str = 'line', counts_lines: bool = True
  ):
    """Begins the first document.

    Args:
      min_characters: documents with fewer characters are rejected.
      unit: the unit of positions: 'line' or 'record'.
      counts_lines: whether a line of the text is a line of the file, so that
        positions advance within a document.
    """
    self._min_characters = min_characters
    self._unit = unit
    self._counts_lines = counts_lines
    self._begin()

  def _begin(self) -> None:
    self._parts: list[str] = []
    self._max_bytes = 0  # An upper bound of the bytes of the parts.
    self._first_number = 0  # The line or record where the piece begins.
    self._piece = 0

  def add(self, text: str, number: int) -> list[Document | Rejected]:
    """Adds lines to the document; returns the pieces that are cut off.

    Args:
      text: one or more lines; the last one without its end.
      number: the number of the first line, or of the record.
    """
    if not self._parts:
      self._first_number = number
    self._parts.append(text)
    self._max_bytes += (1 if text.isascii() else 4) * len(text) + 1
    return self._cut() if self._max_bytes > MAX_DOCUMENT_BYTES else []

  def leave_out(self, reason: str, number: int) -> list[Document | Rejected]:
    """Leaves out a line; the text before and after it become pieces.

    Args:
      reason: see `Rejected`.
      number: the line's.

    Returns:
      The piece before the line, if it has text, and the rejected line.
    """
    before = '\n'.join(self._parts)
    made = self._build(before) if before.strip() else []
    self._parts, self._max_bytes = [], 0
    self._piece += sum(isinstance(x, Document) for x in made)
    return [*made, Rejected(reason, f'{self._unit} {number}')]

  def end(self) -> list[Document | Rejected]:
    """Ends the document; returns it, or its last piece, if it has text."""
    made = self._build('\n'.join(self._parts)) if self._parts else []
    self._begin()
    return made

  def whole(self, text: str, number: int) -> list[Document | Rejected]:
    """Returns a complete document, in pieces if it is long."""
    return self.add(text, number) + self.end()

  def _cut(self) -> list[Document | Rejected]:
    """Returns the pieces that are long enough, and keeps the rest."""
    text = '\n'.join(self._parts).encode('utf-8', 'surrogatepass')
    made, start = [], 0
    while (end := text.find(b'\n', start + MAX_DOCUMENT_BYTES)) >= 0:
      piece = text[start:end].decode('utf-8', 'surrogatepass')
      made += self._build(piece)
      self._piece += 1
      self._first_number += self._counts_lines * (piece.count('\n') + 1)
      start = end + 1
    self._parts = [text[start:].decode('utf-8', 'surrogatepass')]
    self._max_bytes = len(text) - start + 1
    return made

  def _build(self, unstripped: str) -> list[Document | Rejected]:
    """Returns a document, a rejected one, or nothing for a blank piece."""
    text = unstripped.strip()
    try:
      num_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
      first = unstripped.index(text[error.start])
      return [self._rejection(NOT_UTF8, unstripped.count('\n', 0, first))]
    if (nul := unstripped.find('\0')) >= 0:
      return [self._rejection(HAS_NUL, unstripped.count('\n', 0, nul))]
    if num_bytes > MAX_UNCUT_BYTES:
      return [self._rejection(TOO_LONG)]
    if len(text) >= (1 if self._piece else self._min_characters):
      return [Document(text, num_bytes, self._piece)]
    return [] if self._piece else [self._rejection(TOO_SHORT)]

  def _rejection(self, reason: str, num_lines: int = 0) -> Rejected:
    """Returns a rejection at `num_lines` lines after the piece's first."""
    number = self._first_number + self._counts_lines * num_lines
    return Rejected(reason, f'{self._unit} {number}')
