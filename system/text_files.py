"""Reads UTF-8 text files, plain or compressed, line by line.

A line ends at '\\n' or '\\r\\n' only. The other characters at which
`str.splitlines` cuts (U+2028, U+0085, form feeds) occur inside real text.
"""

from collections.abc import Iterable, Iterator

from system import files, streams
from system.errors import UserError, shown

_UTF_16 = (b'\xff\xfe', b'\xfe\xff')


def read_lines(path: str) -> Iterator[str]:
  """Yields a file's lines without their ends; holds one block in memory.

  Args:
    path: UTF-8 text, plain or compressed (see `system.streams`). A byte-order
      mark at the start is dropped.

  Yields:
    The lines, including empty ones; `enumerate(read_lines(path), 1)` numbers
    them as the messages here do. A last line without an end counts; an empty
    file has no line.

  Raises:
    UserError: the file cannot be read, is damaged, is not UTF-8, or a line is
      longer than 16 MiB; the message names the file, and the line if known.
  """
  for block in streams.read_blocks(path):
    if block.content is None:
      raise UserError(
        f'{path}, line {block.line} is longer than '
        f'{streams.MAX_LINE_BYTES >> 20} MiB'
      )
    yield from _decoded(block, path)


def read_list(path: str) -> list[str]:
  """Returns a file's lines, without the empty ones at its end.

  Raises:
    UserError: as for `read_lines`.
  """
  lines = list(read_lines(path))
  while lines and not lines[-1]:
    lines.pop()
  return lines


def _decoded(block: streams.Block, path: str) -> Iterator[str]:
  """Yields a block's lines; decodes them at once, which is quicker."""
  try:
    lines = block.content.decode().split('\n')
  except UnicodeDecodeError:
    lines = block.content.split(b'\n')
    for number, line in enumerate(lines, block.line):
      yield decode(line, path, number)  # Names the line.
    return
  if not lines[-1]:  # The block ends with a line end.
    lines.pop()
  for line in lines:
    yield line.removesuffix('\r')


def without_blank_end(lines: Iterable[str]) -> Iterator[str]:
  """Yields lines without the blank ones that end a file.

  A line with a tab is not blank: it has empty columns.
  """
  blank: list[str] = []
  for line in lines:
    blank.append(line)
    if line.strip() or '\t' in line:
      yield from blank
      blank.clear()


def check_encodable(texts: Iterable[str | None], where: str) -> None:
  """Checks that texts can be written as UTF-8.

  JSON can spell one half of a surrogate pair, such as "\\ud83d", which no UTF-8
  text can hold.

  Args:
    texts: the texts; None is left out.
    where: the file and the line, for messages.

  Raises:
    UserError: a text cannot be encoded.
  """
  for text in texts:
    try:
      (text or '').encode()
    except UnicodeEncodeError as error:
      raise UserError(
        f'{where}: expected Unicode text, found half of a surrogate pair, '
        f'{text[error.start]!r}, at character {error.start} of {shown(text)}'
      ) from error


def copy(source: str, target: str) -> None:
  """Copies a file's lines as plain UTF-8 text with '\\n' line ends.

  Programs that read the copy, such as google-research/bert's, may not support
  compression, byte-order marks or '\\r\\n'.
  """
  with files.open_write(target) as file:
    for line in read_lines(source):
      file.write(line + '\n')


def decode(line: bytes, path: str, number: int) -> str:
  """Decodes one line and removes a trailing '\\r'.

  Args:
    line: without its line end.
    path: the file, for messages.
    number: the line's, from 1.

  Raises:
    UserError: the line is not UTF-8.
  """
  try:
    text = line.decode('utf-8')
  except UnicodeDecodeError as error:
    raise UserError(
      f'{path}, line {number}: expected UTF-8 text, found the byte '
      f'0x{error.object[error.start]:02x} at byte {error.start} of the line '
      f'({error.reason})'
      + ('. Is it UTF-16? Save it as UTF-8.' * line.startswith(_UTF_16))
    ) from error
  return text.removesuffix('\r')
