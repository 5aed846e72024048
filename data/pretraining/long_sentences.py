"""Cuts sentences that are too long for a record into pieces.

The project's sentence splitter finds few sentence ends in transcripts, tables
and languages such as Thai. A pair of segments is truncated to the length of a
record, so without the cuts most of a long sentence would be lost.

Letters: T tokens, V vocabulary.
"""

import numpy as np

from data.pretraining.pairs import Block, max_pair_tokens
from system.numba_jit import jit

# Truncation removes half a piece from a pair on average, so smaller pieces lose
# fewer tokens; but they also make more and shorter sentences. 8 was not tuned.
_PIECES_PER_RECORD = 8


def cut(block: Block, continuation: np.ndarray, max_seq_length: int) -> Block:
  """Cuts each sentence that has more tokens than a pair of segments can have.

  The pieces of a sentence have about equal lengths, at most an eighth of a
  record, and begin at words. A longer word is a separate piece; it is cut
  only if it is too long for a record.

  Args:
    block: the documents.
    continuation: bool [V], True for wordpieces that continue a word.
    max_seq_length: S, [CLS] and two [SEP] included.

  Returns:
    A block of the same tokens and documents, in which each piece is a sentence;
    `block` itself if no sentence is too long.
  """
  max_tokens = max_pair_tokens(max_seq_length)
  if not np.any(np.diff(block.sentences) > max_tokens):
    return block
  is_start = np.zeros(len(block.tokens), np.bool_)
  _mark_starts(
    block.sentences,
    ~continuation[block.tokens],
    max_tokens,
    max(1, max_tokens // _PIECES_PER_RECORD),
    is_start,
  )
  sentences = np.append(np.flatnonzero(is_start), len(block.tokens))
  first_tokens = block.sentences[block.documents]
  documents = np.searchsorted(sentences, first_tokens)
  return Block(block.tokens, sentences, documents)


@jit
def _mark_starts(sentences, is_word, max_tokens, piece_tokens, is_start):
  """Sets `is_start`, bool [T], where a sentence or a piece of one begins."""
  for i in range(len(sentences) - 1):
    start, end = sentences[i], sentences[i + 1]
    is_start[start] = True
    is_cut = end - start > max_tokens
    while is_cut and end - start > piece_tokens:
      num_pieces = -(-(end - start) // piece_tokens)
      size = -(-(end - start) // num_pieces)
      start = _next_start(is_word, start, end, size, max_tokens)
      if start < end:
        is_start[start] = True


@jit
def _next_start(is_word, start, end, size, max_tokens):
  """Returns where the piece after that at `start` begins; `end` if none does.

  The piece has at most `size` tokens, or one longer word.
  """
  stop = start + size
  while stop > start and not is_word[stop]:
    stop -= 1
  if stop > start:
    return stop
  stop = start + size
  while stop < end and stop - start < max_tokens and not is_word[stop]:
    stop += 1
  return stop
