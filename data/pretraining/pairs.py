"""Documents → pairs of segments, as google-research/bert draws them.

Letters: N pairs, T tokens.
"""

from typing import NamedTuple

import numpy as np

from data.pretraining.randomness import below, stream, uniform
from system.compiled import compiled

_RANDOM_NEXT_SHARE = 0.5
# How often the original draws another document before it takes its own.
_DOCUMENT_TRIES = 10


class Block(NamedTuple):
  """Tokenised documents, one after the other, none of them empty."""

  tokens: np.ndarray  # int32 [T]
  sentences: np.ndarray  # int64 [sentences + 1], offsets into `tokens`
  documents: np.ndarray  # int64 [documents + 1], offsets into `sentences`


class Pairs(NamedTuple):
  """Pairs of segments, each a span of `Block.tokens`; all [N]."""

  a_start: np.ndarray  # int64
  a_length: np.ndarray  # int64, at least 1
  b_start: np.ndarray  # int64
  b_length: np.ndarray  # int64, at least 1
  is_random_next: np.ndarray  # bool: the label, for either task

  def take(self, rows: np.ndarray | slice) -> 'Pairs':
    """Returns the pairs of these numbers."""
    return Pairs(*(column[rows] for column in self))


def sample_pairs(
  block: Block,
  max_seq_length: int,
  short_seq_prob: float,
  swap: bool,
  key: np.uint64,
) -> Pairs:
  """Cuts every document once into pairs of segments.

  A document has a target length: all that fits, or with `short_seq_prob` any
  length from 2 up. Sentences are collected until they reach it; A is some of
  the first, at least one. B is the rest, or else, half the time, something that
  does not follow A:

  - next-sentence prediction: B begins anywhere in another document of the
    block, and the rest is used again. So it is always where there is a single
    sentence; a document alone in its block gives the B itself;
  - sentence-order prediction (`swap`): A and B change places. A single sentence
    has a random B here, too, as in ALBERT.

  Pairs that are too long are cut.

  Args:
    block: the documents.
    max_seq_length: S, [CLS] and two [SEP] included.
    short_seq_prob: the share of documents that are cut short.
    swap: whether it is sentence-order prediction.
    key: of the streams, one for each document.

  Returns:
    The pairs in the order of the text; shuffle them.
  """
  # Each pair begins at a sentence of its own.
  size = len(block.sentences) - 1
  columns = [np.empty(size, np.int64) for _ in range(4)] + [
    np.empty(size, bool)
  ]
  count = _sample(
    block.sentences,
    block.documents,
    max_seq_length - 3,
    short_seq_prob,
    swap,
    key,
    *columns,
  )
  return Pairs(*columns).take(slice(count))


@compiled
def _sample(
  sentences,
  documents,
  longest,
  short_seq_prob,
  swap,
  key,
  a_start,
  a_length,
  b_start,
  b_length,
  is_random_next,
):
  count = 0
  num_documents = len(documents) - 1
  for document in range(num_documents):
    state = stream(key, document)
    state, target = _target_length(state, longest, short_seq_prob)
    start, end = documents[document], documents[document + 1]
    while start < end:
      stop = _reach(sentences, start, end, target)
      split = start + 1
      if stop - start > 1:
        state, more = below(state, stop - start - 1)
        split += more
      state, draw = uniform(state)
      differs = stop - start == 1 or draw < _RANDOM_NEXT_SHARE
      a, a_end = sentences[start], sentences[split]
      b, b_end = a_end, sentences[stop]
      start = stop
      if differs and (stop - split == 0 or not swap):
        start = split
        wanted = target - (a_end - a)
        state, b, b_end = _elsewhere(
          state, sentences, documents, document, wanted
        )
      elif differs:
        a, a_end, b, b_end = b, b_end, a, a_end
      state, a, a_end, b, b_end = _cut(state, a, a_end, b, b_end, longest)
      a_start[count], a_length[count] = a, a_end - a
      b_start[count], b_length[count] = b, b_end - b
      is_random_next[count] = differs
      count += 1
  return count


@compiled
def _target_length(state, longest, short_seq_prob):
  """Draws the length in tokens to which a document is cut."""
  state, draw = uniform(state)
  if draw >= short_seq_prob:
    return state, longest
  state, more = below(state, longest - 1)
  return state, 2 + more


@compiled
def _reach(sentences, start, end, length):
  """Returns where sentences from `start` on reach a length, or `end`; always
  at least one sentence on."""
  stop = start + 1
  while stop < end and sentences[stop] - sentences[start] < length:
    stop += 1
  return stop


@compiled
def _elsewhere(state, sentences, documents, own, wanted):
  """Draws a span of another document; returns state, start and end."""
  other = own
  for _ in range(_DOCUMENT_TRIES):
    state, other = below(state, len(documents) - 1)
    if other != own:
      break
  first, end = documents[other], documents[other + 1]
  state, more = below(state, end - first)
  stop = _reach(sentences, first + more, end, wanted)
  return state, sentences[first + more], sentences[stop]


@compiled
def _cut(state, a, a_end, b, b_end, longest):
  """Cuts a pair to `longest` tokens, one at a time from the longer segment (B
  where they are equal), from its front or its back by chance."""
  for _ in range(a_end - a + b_end - b - longest):
    state, draw = uniform(state)
    front = draw < 0.5
    if a_end - a > b_end - b:
      a, a_end = a + front, a_end - (not front)
    else:
      b, b_end = b + front, b_end - (not front)
  return state, a, a_end, b, b_end
