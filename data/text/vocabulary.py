"""The vocabulary of a WordPiece tokenizer: its tokens and its file."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np

from system import files, text_files
from system.errors import UserError

PAD, UNK, CLS, SEP, MASK = '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'
# Every vocabulary has these; in the order of the released ones.
SPECIAL = (PAD, UNK, CLS, SEP, MASK)
CONTINUATION = '##'

# A longer word becomes one [UNK], as in google-research/bert.
MAX_CHARS_PER_WORD = 200

# The wordpiece kernel's limit, without a leading '##'.
_MAX_TOKEN_BYTES = 256
# So many characters have at most that many bytes: UTF-8 needs at most 4 each.
_SURELY_SMALL = _MAX_TOKEN_BYTES // 4


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """The tokens of a `vocab.txt`; a token's id is its line number, from 0."""

  tokens: list[str]

  @functools.cached_property
  def ids(self) -> dict[str, int]:
    """Maps each token to its id, to the last one if equal tokens occur."""
    return {token: i for i, token in enumerate(self.tokens)}

  @functools.cached_property
  def checksum(self) -> str:
    """The SHA-256 of the tokens joined by line feeds, in hexadecimal."""
    return hashlib.sha256('\n'.join(self.tokens).encode()).hexdigest()

  @functools.cached_property
  def continuation_mask(self) -> np.ndarray:
    """Bool [V]; True if a token continues a word (begins with '##')."""
    return np.array([t.startswith(CONTINUATION) for t in self.tokens])


def load_vocabulary(vocab_file: str) -> Vocabulary:
  """Reads a vocabulary as google-research/bert does: one token per line.

  Blank lines at the end are dropped.

  Args:
    vocab_file: path of a UTF-8 file, plain or compressed.

  Raises:
    UserError: the file is missing or not UTF-8, or as for `from_lines`.
  """
  files.require_file(vocab_file, '`vocab_file`')
  return from_lines(text_files.read_list(vocab_file), vocab_file)


def from_lines(lines: Sequence[str], source: str) -> Vocabulary:
  """Returns the vocabulary of a file's lines.

  White space around a token is removed. A line of white space keeps its id but
  matches no text (the released Chinese vocabulary has such lines, U+2028).

  Args:
    lines: one token each.
    source: the file, for messages.

  Raises:
    UserError: there is no line, a line occurs twice, a token is too large, or a
      special token is missing; the message names the source and the line.
  """
  if not lines:
    raise UserError(f'{source} is empty; expected one token per line')
  # Nearly all vocabularies pass at once; the others are searched by line.
  if len(set(lines)) < len(lines) or max(map(len, lines)) > _SURELY_SMALL:
    _check_lines(source, lines)
  vocabulary = Vocabulary([line.strip() for line in lines])
  missing = [token for token in SPECIAL if token not in vocabulary.ids]
  if missing:
    raise UserError(
      f'{source} lacks {", ".join(missing)} in its {len(lines)} lines; '
      f'expected a BERT vocabulary with {", ".join(SPECIAL)}'
    )
  return vocabulary


def _check_lines(source: str, lines: Sequence[str]) -> None:
  """Raises a `UserError` for a line that occurs twice, or is too large."""
  first_lines: dict[str, int] = {}
  for number, line in enumerate(lines, start=1):
    first = first_lines.setdefault(line, number)
    if first != number and line.strip():
      raise UserError(
        f'{source}, line {number}: token {line!r} is already in line '
        f'{first}; expected each token once'
      )
    if _is_too_large(line.strip()):
      raise UserError(
        f'{source}, line {number}: the token {line[:20]!r}... has '
        f'{len(line.strip().encode())} bytes of UTF-8, expected at most '
        f'{_MAX_TOKEN_BYTES}'
      )


def _is_too_large(token: str) -> bool:
  """Returns whether words can match a token that the kernel can't hold."""
  letters = token.removeprefix(CONTINUATION)
  return (
    len(letters) <= MAX_CHARS_PER_WORD
    and len(letters.encode()) > _MAX_TOKEN_BYTES
  )
