"""Documents → pairs of segments, sampled as in google-research/bert.

Letters: N pairs, T tokens.
"""

from typing import NamedTuple

import numpy as np

from data.pretraining.randomness import below, stream, uniform
from system.numba_jit import jit

_RANDOM_NEXT_SHARE = 0.5
# google-research/bert draws this often until it gets another document; then it
# accepts the same one.
_DOCUMENT_TRIES = 10


class Block(NamedTuple):
  """Tokenised documents, one after the other, none of them empty."""

  tokens: np.ndarray  # int32 [T]
  sentences: np.ndarray  # int64 [sentences + 1], offsets into `tokens`
  documents: np.ndarray  # int64 [documents + 1], offsets into `sentences`

  @property
  def num_documents(self) -> int:
    """How many documents the block holds."""
    return len(self.documents) - 1


class Pairs(NamedTuple):
  """Pairs of segments, each a span of `Block.tokens`; all [N]."""

  a_start: np.ndarray  # int64
  a_length: np.ndarray  # int64, at least 1
  b_start: np.ndarray  # int64
  b_length: np.ndarray  # int64, at least 1
  is_random_next: np.ndarray  # bool: the label, for either task
  num_cut: np.ndarray  # int64, tokens that truncation removed

  def take(self, rows: np.ndarray | slice) -> 'Pairs':
    """Returns a selection of the pairs."""
    return Pairs(*(column[rows] for column in self))


def max_pair_tokens(max_seq_length: int) -> int:
  """Returns how many tokens of text fit `[CLS] A [SEP] B [SEP]`."""
  return max_seq_length - 3


def sample_pairs(
  block: Block,
  max_seq_length: int,
  short_seq_prob: float,
  swap: bool,
  key: np.uint64,
) -> Pairs:
  """Cuts every document once into pairs of segments.

  Each document has a target length: S - 3 tokens, or with probability
  `short_seq_prob` a random length of at least 2. Sentences are collected until
  they reach it. A is the first of them and a random number of the next ones. B
  is the rest, or half the time text that does not follow A:

  - next-sentence prediction: B begins at a random sentence of another document
    of the block, and the rest is used for the next pair. A single sentence
    always has a random B. In a block of one document, B comes from that
    document;
  - sentence-order prediction (`swap`): A and B are swapped. A single sentence
    has a random B here as well, as in ALBERT.

  Pairs that are too long are truncated.

  Args:
    block: the documents.
    max_seq_length: S, [CLS] and two [SEP] included.
    short_seq_prob: the share of documents with a random target length.
    swap: whether to sample for sentence-order prediction.
    key: the key of the random streams; each document has its own stream.

  Returns:
    The pairs in the order of the text; the caller shuffles them.
  """
  # Each pair begins at another sentence, so there are at most `size` pairs.
  size = len(block.sentences) - 1
  dtypes = (*[np.int64] * 4, bool, np.int64)
  columns = [np.empty(size, dtype) for dtype in dtypes]
  count = _sample(
    block.sentences,
    block.documents,
    max_pair_tokens(max_seq_length),
    short_seq_prob,
    swap,
    key,
    *columns,
  )
  return Pairs(*columns).take(slice(count))


@jit
def _sample(
  sentences,
  documents,
  max_tokens,
  short_seq_prob,
  swap,
  key,
  a_start,
  a_length,
  b_start,
  b_length,
  is_random_next,
  num_cut,
):
  """Fills the columns of `Pairs`; returns the number of pairs."""
  count = 0
  num_documents = len(documents) - 1
  for document in range(num_documents):
    state = stream(key, document)
    state, target = _target_length(state, max_tokens, short_seq_prob)
    start, end = documents[document], documents[document + 1]
    while start < end:
      stop = _chunk_end(sentences, start, end, target)
      split = start + 1
      if stop - start > 1:
        state, more = below(state, stop - start - 1)
        split += more
      state, draw = uniform(state)
      is_random = stop - start == 1 or draw < _RANDOM_NEXT_SHARE
      a, a_end = sentences[start], sentences[split]
      b, b_end = a_end, sentences[stop]
      start = stop
      if is_random and (stop - split == 0 or not swap):
        start = split
        b_target = target - (a_end - a)
        state, b, b_end = _draw_random_next(
          state, sentences, documents, document, b_target
        )
      elif is_random:
        a, a_end, b, b_end = b, b_end, a, a_end
      num_cut[count] = max(0, a_end - a + b_end - b - max_tokens)
      state, a, a_end, b, b_end = _truncate(
        state, a, a_end, b, b_end, max_tokens
      )
      a_start[count], a_length[count] = a, a_end - a
      b_start[count], b_length[count] = b, b_end - b
      is_random_next[count] = is_random
      count += 1
  return count


@jit
def _target_length(state, max_tokens, short_seq_prob):
  """Draws a document's target length in tokens; returns the next state too."""
  state, draw = uniform(state)
  if draw >= short_seq_prob:
    return state, max_tokens
  state, more = below(state, max_tokens - 1)
  return state, 2 + more


@jit
def _chunk_end(sentences, start, end, length):
  """Returns where a chunk of sentences that begins at `start` ends.

  The chunk has at least one sentence, and no more than it needs to reach
  `length` tokens; it ends at `end` if it does not reach them.
  """
  stop = start + 1
  while stop < end and sentences[stop] - sentences[start] < length:
    stop += 1
  return stop


@jit
def _draw_random_next(state, sentences, documents, own, length):
  """Draws a span of another document of about `length` tokens.

  Returns:
    The next state, and where the span starts and ends in the block's tokens.
  """
  other = own
  for _ in range(_DOCUMENT_TRIES):
    state, other = below(state, len(documents) - 1)
    if other != own:
      break
  first, end = documents[other], documents[other + 1]
  state, more = below(state, end - first)
  stop = _chunk_end(sentences, first + more, end, length)
  return state, sentences[first + more], sentences[stop]


@jit
def _truncate(state, a, a_end, b, b_end, max_tokens):
  """Truncates a pair to `max_tokens`; returns the next state and the spans.

  Each step removes a token from the longer segment (B if they are equal), from
  its front or its back by chance.
  """
  for _ in range(a_end - a + b_end - b - max_tokens):
    state, draw = uniform(state)
    front = draw < 0.5
    if a_end - a > b_end - b:
      a, a_end = a + front, a_end - (not front)
    else:
      b, b_end = b + front, b_end - (not front)
  return state, a, a_end, b, b_end
