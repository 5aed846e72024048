"""A document, what is no document, and how text becomes either.

A document of more than 1 MiB is cut at the first line end after that; what
follows is a document of its own. So nothing here grows with the input.
"""

from typing import NamedTuple

MAX_DOCUMENT_BYTES = 1 << 20
# Of a document without a line end where it could be cut.
MAX_UNCUT_BYTES = 16 << 20

TOO_SHORT = 'too_short'
TOO_LONG = 'too_long'
NOT_UTF8 = 'not_utf8'
DUPLICATE = 'duplicate'
REASONS = (TOO_SHORT, TOO_LONG, NOT_UTF8, DUPLICATE)


class Document(NamedTuple):
  """A document, or a piece of one that was cut.

  Attributes:
    text: without white space around it. Of the format 'bert' sentences, one a
      line, each without white space around it, none blank; of the others
      running text.
    num_bytes: UTF-8 bytes of `text`.
    piece: 0, and 1, 2, ... for what follows in a document that was cut.
  """

  text: str
  num_bytes: int
  piece: int = 0


class Rejected(NamedTuple):
  """A document that is left out.

  Attributes:
    reason: `TOO_SHORT`, `TOO_LONG` or `NOT_UTF8`.
    place: where it stands in its file: 'line 12', 'record 7'.
  """

  reason: str
  place: str


class DocumentMaker:
  """Makes documents of text that comes in parts.

  Bytes that are not UTF-8 come as surrogates.
  """

  def __init__(
    self, min_characters: int, unit: str = 'line', counts_lines: bool = True
  ):
    """Begins the first document.

    Args:
      min_characters: documents of fewer characters are rejected.
      unit: what a place is a number of.
      counts_lines: whether a line of the text is a line of the file.
    """
    self._min_characters = min_characters
    self._unit = unit
    self._counts_lines = counts_lines
    self._begin()

  def _begin(self) -> None:
    self._parts: list[str] = []
    self._most_bytes = 0  # No fewer than the parts have.
    self._number = 0  # Where the piece begins.
    self._piece = 0
    self._rejected: Rejected | None = None

  def add(self, text: str, number: int) -> list[Document | Rejected]:
    """Adds lines to the document; returns the pieces that it is cut into.

    Args:
      text: one or more lines; the last one without its end.
      number: of the first one, or of the record.
    """
    if self._rejected:
      return []
    if not self._parts:
      self._number = number
    self._parts.append(text)
    self._most_bytes += (1 if text.isascii() else 4) * len(text) + 1
    return self._cut() if self._most_bytes > MAX_DOCUMENT_BYTES else []

  def reject(self, reason: str, number: int) -> None:
    """Makes the document, as far as it was not cut off, a rejected one."""
    self._rejected = Rejected(reason, f'{self._unit} {number}')
    self._parts.clear()

  def end(self) -> list[Document | Rejected]:
    """Ends the document and returns it, or its last piece, if there is any."""
    made = []
    if self._rejected:
      made = [self._rejected]
    elif self._parts:
      made = self._made('\n'.join(self._parts))
    self._begin()
    return made

  def whole(self, text: str, number: int) -> list[Document | Rejected]:
    """Returns a document that is complete, in pieces if it is long."""
    return self.add(text, number) + self.end()

  def _cut(self) -> list[Document | Rejected]:
    """Returns what is cut off, and keeps the rest."""
    text = '\n'.join(self._parts).encode('utf-8', 'surrogatepass')
    made, start = [], 0
    while (end := text.find(b'\n', start + MAX_DOCUMENT_BYTES)) >= 0:
      piece = text[start:end].decode('utf-8', 'surrogatepass')
      made += self._made(piece)
      self._piece += 1
      self._number += self._counts_lines * (piece.count('\n') + 1)
      start = end + 1
    self._parts = [text[start:].decode('utf-8', 'surrogatepass')]
    self._most_bytes = len(text) - start + 1
    return made

  def _made(self, uncut: str) -> list[Document | Rejected]:
    """Returns a document or, of a piece that is blank, nothing."""
    text = uncut.strip()
    try:
      num_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
      first = uncut.index(text[error.start])
      return [self._no(NOT_UTF8, uncut.count('\n', 0, first))]
    if num_bytes > MAX_UNCUT_BYTES:
      return [self._no(TOO_LONG)]
    if len(text) >= (1 if self._piece else self._min_characters):
      return [Document(text, num_bytes, self._piece)]
    return [] if self._piece else [self._no(TOO_SHORT)]

  def _no(self, reason: str, num_lines: int = 0) -> Rejected:
    number = self._number + self._counts_lines * num_lines
    return Rejected(reason, f'{self._unit} {number}')
