"""Sentences that are too long for a record."""

import numpy as np
import pytest

from data.pretraining import long_sentences
from data.pretraining.pairs import Block

# Token 0 is a word, or begins one; token 1 continues it.
CONTINUATION = np.array([False, True])


def make_block(*documents: list[str]) -> Block:
  """Makes documents from sentences; a digit is a token."""
  sentences = [sentence for document in documents for sentence in document]
  tokens = np.array([int(c) for c in ''.join(sentences)], np.int32)
  lengths, counts = map(len, sentences), map(len, documents)
  return Block(
    tokens,
    np.cumsum([0, *lengths], dtype=np.int64),
    np.cumsum([0, *counts], dtype=np.int64),
  )


def cut(block: Block, max_seq_length: int) -> list[list[str]]:
  """Returns the sentences of each document, after the cuts."""
  found = long_sentences.cut(block, CONTINUATION, max_seq_length)
  assert found.tokens is block.tokens
  text = ''.join(map(str, block.tokens))
  sentences = [
    text[start:end]
    for start, end in zip(
      found.sentences[:-1], found.sentences[1:], strict=True
    )
  ]
  return [
    sentences[start:end]
    for start, end in zip(
      found.documents[:-1], found.documents[1:], strict=True
    )
  ]


@pytest.mark.parametrize(
  ('sentence', 'pieces'),
  [
    ('0' * 17, ['00', '00', '00', '00', '00', '00', '00', '00', '0']),
    ('01' * 9, ['01'] * 9),
    ('0' + '01' * 8, ['0', *['01'] * 8]),
    # A word that is longer than a piece; one that is longer than a record.
    ('011' * 6, ['011'] * 6),
    ('00' + '0' + '1' * 20, ['00', '0' + '1' * 15, '1' * 5]),
  ],
)
def test_pieces_are_an_eighth_of_a_record_and_begin_at_words(sentence, pieces):
  assert cut(make_block([sentence]), 16 + 3) == [pieces]


def test_pieces_have_equal_lengths():
  ((*pieces,),) = cut(make_block(['0' * 250]), 128)
  assert sum(map(len, pieces)) == 250
  assert {*map(len, pieces)} == {14, 15}


def test_only_long_sentences_are_cut():
  block = make_block(['0', '0' * 5, '00'], ['00'], ['0' * 4, '000'])
  assert cut(block, 4 + 3) == [['0', *'00000', '00'], ['00'], ['0000', '000']]


def test_a_block_whose_sentences_fit_stays_as_it_is():
  block = make_block(['01' * 8, '0'], ['0' * 16])
  assert long_sentences.cut(block, CONTINUATION, 16 + 3) is block
  empty = make_block()
  assert long_sentences.cut(empty, CONTINUATION, 16 + 3) is empty
