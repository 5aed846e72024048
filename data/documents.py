"""Text files → tokenised documents, in blocks that fit in memory.

The text is google-research/bert's: a sentence a line, blank lines between
documents. As there, a document goes on from one file to the next where no blank
line stands between them.

A block holds `BLOCK_DOCUMENTS` documents, or fewer where they come to
`BLOCK_TOKENS` tokens. It is handed on when there is text for another one, so
that no handful of documents is left over: the last block is up to twice as
large. Blocks end where documents end; only a document that is longer than a
block by itself is cut.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from data import files, text_files
from data.masking import Documents

BLOCK_DOCUMENTS = 4096
# int32: 32 MB of ids; about 40 MB of English text.
BLOCK_TOKENS = 1 << 23
# Text that is tokenised in one call: about 8,000 lines of English.
_BATCH_CHARACTERS = 1 << 20

# Maps strings to the ids of all, int32 [T], and how many each has, int64 [N].
Tokenize = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]


class BlockReader:
  """Reads text files into blocks of documents.

  Attributes:
    bytes_read: UTF-8 bytes of text read so far.
    tokens_read: what they came to; some are in no block yet.
  """

  def __init__(
    self,
    paths: list[str],
    tokenize: Tokenize,
    block_documents: int = BLOCK_DOCUMENTS,
    block_tokens: int = BLOCK_TOKENS,
  ):
    self.bytes_read = 0
    self.tokens_read = 0
    self._paths = paths
    self._tokenize = tokenize
    self._block_documents = block_documents
    self._block_tokens = block_tokens

  def __iter__(self) -> Iterator[Documents]:
    """Yields the blocks.

    Raises:
      UserError: a file cannot be read, is damaged gzip or not UTF-8.
    """
    lines = itertools.chain.from_iterable(
      text_files.read_lines(path) for path in self._paths
    )
    pending = _Pending()
    ended = False  # Whether a blank line ended the document before this batch.
    for batch in _batches(lines):
      self.bytes_read += len('\n'.join(batch).encode()) + 1
      ended = self._add(batch, pending, ended)
      while end := self._block_end(pending):
        yield pending.take(end)
    if pending.num_sentences:
      yield pending.take(pending.num_sentences)

  def _add(self, batch: list[str], pending: '_Pending', ended: bool) -> bool:
    """Tokenises a batch of lines; returns whether its document has ended."""
    lines = [line.strip() for line in batch]
    # A document's number is the number of blank lines before it.
    blank = np.fromiter((not line for line in lines), np.int64, len(lines))
    numbers = np.cumsum(blank) + ended
    tokens, lengths = self._tokenize([line for line in lines if line])
    self.tokens_read += len(tokens)
    # Of some lines nothing is left: control characters only, say.
    sentence = lengths > 0
    in_document = numbers[blank == 0][sentence]
    pending.add(tokens, lengths[sentence], np.diff(in_document, prepend=0) > 0)
    return bool(numbers[-1] > (in_document[-1] if len(in_document) else 0))

  def _block_end(self, pending: '_Pending') -> int:
    """Returns how many pending sentences make a block, 0 for too few."""
    complete = pending.num_documents - 1  # The last one may go on.
    if (
      complete < 2 * self._block_documents
      and pending.num_tokens < 2 * self._block_tokens
    ):
      return 0
    return pending.block_end(self._block_documents, self._block_tokens)


class _Pending:
  """Sentences that were read and are in no block yet."""

  def __init__(self):
    self._tokens = [np.zeros(0, np.int32)]
    self._lengths = [np.zeros(0, np.int64)]
    self._begins = [np.zeros(0, bool)]  # Whether a document begins here.
    self._count()

  def _count(self) -> None:
    self.num_tokens = sum(map(len, self._tokens))
    self.num_sentences = sum(map(len, self._lengths))
    self.num_documents = sum(map(np.count_nonzero, self._begins))

  def add(
    self, tokens: np.ndarray, lengths: np.ndarray, begins: np.ndarray
  ) -> None:
    """Appends sentences; the first of all begins a document in any case."""
    if not self.num_sentences:
      begins[:1] = True
    self._tokens.append(tokens)
    self._lengths.append(lengths)
    self._begins.append(begins)
    self._count()

  def block_end(self, num_documents: int, num_tokens: int) -> int:
    """Returns how many sentences are so many documents, or those that have no
    more than so many tokens, or such a part of the first document."""
    ends = np.cumsum(np.concatenate(self._lengths))
    fitting = int(np.searchsorted(ends, num_tokens, 'right'))
    starts = np.flatnonzero(np.concatenate(self._begins))
    starts = starts[1 : num_documents + 1]
    starts = starts[starts <= fitting]
    return int(starts[-1]) if len(starts) else max(fitting, 1)

  def take(self, num_sentences: int) -> Documents:
    """Removes the first sentences and returns them."""
    tokens = np.concatenate(self._tokens)
    lengths = np.concatenate(self._lengths)
    begins = np.concatenate(self._begins)
    sentences = np.cumsum(lengths[:num_sentences])
    num_tokens = int(sentences[-1])
    documents = np.flatnonzero(begins[:num_sentences])
    # Copies: a view would keep the whole block from being freed.
    self._tokens = [tokens[num_tokens:].copy()]
    self._lengths = [lengths[num_sentences:].copy()]
    self._begins = [begins[num_sentences:].copy()]
    # What follows a document that was cut is a document of its own.
    self._begins[0][:1] = True
    self._count()
    return Documents(
      tokens[:num_tokens],
      np.concatenate([[0], sentences]),
      np.append(documents, num_sentences),
    )


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
  """Groups lines to about as much text as is tokenised at once."""
  batch, characters = [], 0
  for line in lines:
    batch.append(line)
    characters += len(line) + 1
    if characters >= _BATCH_CHARACTERS:
      yield batch
      batch, characters = [], 0
  if batch:
    yield batch


def text_bytes(paths: list[str]) -> int:
  """Estimates from their sizes how much text files hold, in bytes.

  A gzip file's own note is used. It is short where the file was glued together
  from several or holds more than 4 GB: enough for a progress bar.
  """
  total = 0
  for path in paths:
    size = files.size(path)
    with files.open_read(path, 'rb') as file:
      if file.read(2) == b'\x1f\x8b' and size > 4:
        file.seek(size - 4)
        size = int.from_bytes(file.read(4), 'little')
    total += size
  return total
