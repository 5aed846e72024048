"""Corpus → blocks of tokenised documents."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from data.pretraining.pairs import Block
from data.pretraining.plan import Plan
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey

# Text that is tokenised in one call: about 8,000 lines of English.
_BATCH_CHARACTERS = 1 << 20

# Maps strings to the ids of all, int32 [T], and how many each has, int64 [N].
Tokenize = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]
# Maps a function over items, in their order; may do it in threads.
Run = Callable[[Callable, Iterable], Iterator]


def block_texts(
  corpus: Corpus,
  surveys: Sequence[FileSurvey],
  plan: Plan,
  is_wanted: Callable[[int], bool] = lambda block: True,
) -> Iterator[tuple[int, list[str]]]:
  """Yields the number and the documents of each block that is wanted.

  Files without any document of such a block are not read.
  """
  documents = _placed(corpus, surveys, plan, is_wanted)
  for block, group in itertools.groupby(documents, lambda item: item[0]):
    yield block, [text for _, text in group]


def _placed(corpus, surveys, plan, is_wanted) -> Iterator[tuple[int, str]]:
  """Yields each document's block and text."""
  start = 0
  for number, survey in enumerate(surveys):
    yield from placed_in_file(corpus, number, survey, start, plan, is_wanted)
    start += survey.num_bytes


def placed_in_file(
  corpus: Corpus,
  number: int,
  survey: FileSurvey,
  start: int,
  plan: Plan,
  is_wanted: Callable[[int], bool],
) -> Iterator[tuple[int, str]]:
  """Yields block and text of one input's documents that lie in wanted blocks.

  It is not read where it has none.

  Args:
    corpus: the text.
    number: the input's.
    survey: of the input.
    start: how many bytes of documents all inputs before it have.
    plan: the blocks.
    is_wanted: whether a block is.
  """
  end = start + survey.num_bytes
  if not survey.num_documents or not any(
    map(is_wanted, range(plan.block_of(start), plan.block_of(end - 1) + 1))
  ):
    return
  position = start
  for document in corpus.documents(number, survey):
    block = plan.block_of(position)
    position += document.num_bytes
    if is_wanted(block):
      yield block, document.text


def tokenised(
  texts: Iterable[str],
  split: Callable[[list[str]], list[list[str]]],
  tokenize: Tokenize,
  run: Run = map,
) -> Block:
  """Tokenises the documents of a block.

  Args:
    texts: the documents.
    split: cuts documents into sentences.
    tokenize: the tokenizer.
    run: maps a function over parts of the block; may do it in threads.

  Returns:
    The block. Sentences and documents of which nothing is left (of control
    characters, say) are not in it.
  """

  def tokenise_part(part: list[str]):
    sentences = split(part)
    tokens, lengths = tokenize(list(itertools.chain.from_iterable(sentences)))
    document = np.repeat(np.arange(len(part)), [*map(len, sentences)])
    has_tokens = lengths > 0
    counts = np.bincount(document[has_tokens], minlength=len(part))
    return tokens, lengths[has_tokens], counts[counts > 0]

  parts = run(tokenise_part, parts_of(texts))
  tokens, lengths, counts = map(np.concatenate, zip(*parts, strict=True))
  return Block(tokens, _offsets(lengths), _offsets(counts))


def _offsets(lengths: np.ndarray) -> np.ndarray:
  return np.concatenate([[0], np.cumsum(lengths)])


def parts_of(texts: Iterable[str]) -> Iterator[list[str]]:
  """Groups documents to about as much text as is tokenised at once."""
  part, characters = [], 0
  for text in texts:
    part.append(text)
    characters += len(text)
    if characters >= _BATCH_CHARACTERS:
      yield part
      part, characters = [], 0
  if part:
    yield part
