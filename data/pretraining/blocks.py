"""Corpus → blocks of tokenised documents."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.pretraining import long_sentences
from data.pretraining.pairs import Block
from data.pretraining.partitioning import Partitioning
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer

# Text that is tokenised in one call: about 4,000 lines of English, a sixteenth
# of a block.
_BATCH_CHARACTERS = 1 << 19

# Tokenises the lines of a text; returns all ids, int32 [T], and the number of
# each line's ids, int64 [N].
Tokenize = Callable[[str], tuple[np.ndarray, np.ndarray]]
# Splits documents; returns them with one sentence per line.
Split = Callable[[list[str]], list[str]]
# Maps a function over items, in their order; may do it in threads.
MapFunction = Callable[[Callable, Iterable], Iterator]


def block_texts(
  corpus: Corpus,
  surveys: Sequence[FileSurvey],
  partitioning: Partitioning,
  is_wanted: Callable[[int], bool] = lambda block: True,
) -> Iterator[tuple[int, list[str]]]:
  """Yields the number and the documents of each wanted block.

  Does not read inputs that have no document in a wanted block.

  Args:
    corpus: the text.
    surveys: the survey of each input.
    partitioning: the blocks.
    is_wanted: returns whether the block of this number is wanted.
  """
  documents = _block_documents(corpus, surveys, partitioning, is_wanted)
  for block, group in itertools.groupby(documents, lambda item: item[0]):
    yield block, [text for _, text in group]


def _block_documents(
  corpus, surveys, partitioning, is_wanted
) -> Iterator[tuple[int, str]]:
  """Yields the block and the text of each document in the wanted blocks."""
  start = 0
  for number, survey in enumerate(surveys):
    yield from block_documents_of_input(
      corpus, number, survey, start, partitioning, is_wanted
    )
    start += survey.num_bytes


def block_documents_of_input(
  corpus: Corpus,
  number: int,
  survey: FileSurvey,
  start: int,
  partitioning: Partitioning,
  is_wanted: Callable[[int], bool],
) -> Iterator[tuple[int, str]]:
  """Yields the block and the text of one input's documents in wanted blocks.

  Does not read the input if it has no such document.

  Args:
    corpus: the text.
    number: the input's number.
    survey: the input's survey.
    start: how many bytes of documents precede those of the input.
    partitioning: the blocks.
    is_wanted: returns whether the block of this number is wanted.
  """
  end = start + survey.num_bytes
  block_at = partitioning.block_at
  if not survey.num_documents or not any(
    map(is_wanted, range(block_at(start), block_at(end - 1) + 1))
  ):
    return
  position = start
  for document in corpus.documents(number, survey):
    block = block_at(position)
    position += document.num_bytes
    if is_wanted(block):
      yield block, document.text


def make_blocks(
  texts: Iterable[tuple[int, Iterable[str]]],
  corpus: Corpus,
  tokenizer: 'BertTokenizer',
  max_seq_length: int,
  map_function: MapFunction = map,
  split: Split | None = None,
) -> Iterator[tuple[int, Block]]:
  """Makes blocks; cuts long sentences where the project splits the text.

  Args:
    texts: the number and the documents of each block.
    corpus: the corpus that they belong to.
    tokenizer: the tokenizer.
    max_seq_length: S.
    map_function: maps a function over batches of documents.
    split: replaces `corpus.split_sentences`.

  Yields:
    The number of each block, and the block.
  """
  tokenize = functools.partial(tokenize_lines, tokenizer)
  for number, block in tokenize_blocks(
    texts, split or corpus.split_sentences, tokenize, map_function
  ):
    if corpus.options.splits_sentences:
      continuation = tokenizer.continuation_mask
      yield number, long_sentences.cut(block, continuation, max_seq_length)
    else:
      yield number, block


def make_block(
  texts: Iterable[str],
  corpus: Corpus,
  tokenizer: 'BertTokenizer',
  max_seq_length: int,
  map_function: MapFunction = map,
) -> Block:
  """Makes a single block; see `make_blocks`."""
  ((_, block),) = make_blocks(
    [(0, texts)], corpus, tokenizer, max_seq_length, map_function
  )
  return block


def tokenize_blocks(
  texts: Iterable[tuple[int, Iterable[str]]],
  split: Split,
  tokenize: Tokenize,
  map_function: MapFunction = map,
) -> Iterator[tuple[int, Block]]:
  """Tokenises the documents of blocks.

  Args:
    texts: the number and the documents of each block.
    split: splits documents into sentences.
    tokenize: the tokenizer.
    map_function: maps a function over batches of documents. It may begin the
      next block before this one is complete.

  Yields:
    The number of each block, and the block. It leaves out sentences and
    documents without tokens, such as those of control characters.
  """

  def tokenize_batch(item: tuple[int, list[str]]):
    number, batch = item
    documents = split(batch)
    tokens, lengths = tokenize('\n'.join(documents))
    num_lines = [text.count('\n') + 1 for text in documents]
    document = np.repeat(np.arange(len(batch)), num_lines)
    has_tokens = lengths > 0
    counts = np.bincount(document[has_tokens], minlength=len(batch))
    return number, (tokens, lengths[has_tokens], counts[counts > 0])

  batches = (
    (number, batch)
    for number, documents in texts
    for batch in batch_documents(documents)
  )
  results = map_function(tokenize_batch, batches)
  for number, group in itertools.groupby(results, lambda result: result[0]):
    parts = zip(*(part for _, part in group), strict=True)
    tokens, lengths, counts = map(np.concatenate, parts)
    yield number, Block(tokens, _offsets(lengths), _offsets(counts))


def _offsets(lengths: np.ndarray) -> np.ndarray:
  return np.concatenate([[0], np.cumsum(lengths)])


def batch_documents(texts: Iterable[str]) -> Iterator[list[str]]:
  """Groups documents into batches, each tokenised in one call."""
  batch, characters = [], 0
  for text in texts:
    batch.append(text)
    characters += len(text)
    if characters >= _BATCH_CHARACTERS:
      yield batch
      batch, characters = [], 0
  if batch:
    yield batch


def tokenize_lines(
  tokenizer: 'BertTokenizer', text: str
) -> tuple[np.ndarray, np.ndarray]:
  """Tokenises the lines of a text; see `Tokenize` for the results."""
  import tensorflow as tf

  # Passing one string, not one a line, takes Python's lock for less time.
  lines = tf.raw_ops.StringSplitV2(input=[text], sep='\n', maxsplit=-1).values
  ids = tokenizer.tokenize(lines)
  return ids.values.numpy(), ids.row_lengths().numpy()
