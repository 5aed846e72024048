"""Corpus → blocks of tokenised documents."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.pretraining import long_sentences
from data.pretraining.masking import SpecialTokens
from data.pretraining.pairs import Block
from data.pretraining.partitioning import Partitioning
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey

if TYPE_CHECKING:
  from data.text.tokenization import BertTokenizer

# Text that is tokenised in one call: about 8,000 lines of English.
_BATCH_CHARACTERS = 1 << 20

# Tokenises strings; returns all ids, int32 [T], and the number of each string's
# ids, int64 [N].
Tokenize = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]
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


def make_block(
  texts: Iterable[str],
  corpus: Corpus,
  tokenizer: 'BertTokenizer',
  max_seq_length: int,
  map_function: MapFunction = map,
) -> Block:
  """Makes a block; cuts long sentences where the project splits the text.

  Args:
    texts: the documents.
    corpus: the corpus that they belong to.
    tokenizer: the tokenizer.
    max_seq_length: S.
    map_function: maps a function over batches of documents.
  """
  tokenize = functools.partial(tokenize_lines, tokenizer)
  block = tokenise_block(texts, corpus.sentences, tokenize, map_function)
  if not corpus.options.splits_sentences:
    return block
  return long_sentences.cut(block, tokenizer.continuation_mask, max_seq_length)


def tokenise_block(
  texts: Iterable[str],
  split: Callable[[list[str]], list[list[str]]],
  tokenize: Tokenize,
  map_function: MapFunction = map,
) -> Block:
  """Tokenises the documents of a block.

  Args:
    texts: the documents.
    split: splits documents into sentences.
    tokenize: the tokenizer.
    map_function: maps a function over batches of documents.

  Returns:
    The block. It leaves out sentences and documents without tokens, such as
    those of control characters.
  """

  def tokenise_batch(batch: list[str]):
    sentences = split(batch)
    tokens, lengths = tokenize(list(itertools.chain.from_iterable(sentences)))
    document = np.repeat(np.arange(len(batch)), [*map(len, sentences)])
    has_tokens = lengths > 0
    counts = np.bincount(document[has_tokens], minlength=len(batch))
    return tokens, lengths[has_tokens], counts[counts > 0]

  parts = map_function(tokenise_batch, batch_documents(texts))
  tokens, lengths, counts = map(np.concatenate, zip(*parts, strict=True))
  return Block(tokens, _offsets(lengths), _offsets(counts))


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
  tokenizer: 'BertTokenizer', lines: list[str]
) -> tuple[np.ndarray, np.ndarray]:
  """Tokenises lines; see `Tokenize` for the results."""
  ids = tokenizer.tokenize(lines)
  return ids.values.numpy(), ids.row_lengths().numpy()


def special_tokens(tokenizer: 'BertTokenizer') -> SpecialTokens:
  """Returns the special tokens of a tokenizer's vocabulary."""
  return SpecialTokens(
    tokenizer.cls_id,
    tokenizer.sep_id,
    tokenizer.mask_id,
    tokenizer.continuation_mask,
  )
