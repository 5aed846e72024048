"""Blocks of tokenised documents."""

import numpy as np
import pytest

from data.pretraining import blocks
from data.pretraining.pairs import Block
from data.pretraining.partitioning import Partitioning
from data.text import survey
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions


def characters(text: str) -> tuple[np.ndarray, np.ndarray]:
  """Tokenises letters; drops '-'."""
  texts = text.replace('-', '').split('\n')
  ids = np.array([ord(c) for text in texts for c in text], np.int32)
  return ids, np.array([len(text) for text in texts], np.int64)


def sentences_of(block: Block) -> list[list[str]]:
  sentences = [
    ''.join(map(chr, block.tokens[start:end]))
    for start, end in zip(
      block.sentences[:-1], block.sentences[1:], strict=True
    )
  ]
  return [
    sentences[start:end]
    for start, end in zip(
      block.documents[:-1], block.documents[1:], strict=True
    )
  ]


def tokenise(*texts: list[str]) -> list[tuple[int, list[list[str]]]]:
  """Tokenises blocks; ';' ends a sentence."""

  def split(batch: list[str]) -> list[str]:
    return [text.replace(';', '\n') for text in batch]

  found = blocks.tokenize_blocks(enumerate(texts), split, characters)
  return [(number, sentences_of(block)) for number, block in found]


@pytest.mark.parametrize('batch_characters', [1, 4, 1 << 20])
def test_documents_are_tokenised(monkeypatch, batch_characters):
  monkeypatch.setattr(blocks, '_BATCH_CHARACTERS', batch_characters)
  found = tokenise(['ab;cd', 'e', 'fgh'], ['ij'], ['k;l'])
  assert found == [
    (0, [['ab', 'cd'], ['e'], ['fgh']]),
    (1, [['ij']]),
    (2, [['k', 'l']]),
  ]


def test_texts_without_tokens_are_left_out():
  assert tokenise(['ab;-;cd', '-', 'e'], ['-']) == [
    (0, [['ab', 'cd'], ['e']]),
    (1, []),
  ]


class CountedCorpus(Corpus):
  """Counts how often each input is read."""

  def documents(self, number, found):
    self.read_numbers.append(number)
    return super().documents(number, found)


def test_blocks_hold_consecutive_documents_of_all_files(tmp_path):
  texts = ['aaaa\n\nbb', 'cc\n\nd\n\nee', 'fffff']
  paths = []
  for i, text in enumerate(texts):
    paths.append(str(tmp_path / f'{i}.txt'))
    (tmp_path / f'{i}.txt').write_text(text)
  corpus = CountedCorpus(CorpusOptions(), paths)
  corpus.read_numbers = []
  surveys = survey.survey(corpus)
  partitioning = Partitioning(
    sum(found.num_bytes for found in surveys), block_bytes=5
  )
  # 16 bytes are 3 blocks, which begin at the bytes 0, 6 and 11.
  expected = [(0, ['aaaa', 'bb']), (1, ['cc', 'd', 'ee']), (2, ['fffff'])]
  assert list(blocks.block_texts(corpus, surveys, partitioning)) == expected
  assert corpus.read_numbers == [0, 1, 2]
  corpus.read_numbers = []
  wanted = list(
    blocks.block_texts(corpus, surveys, partitioning, {1}.__contains__)
  )
  assert wanted == expected[1:2]
  # The other files have no document in this block.
  assert corpus.read_numbers == [1]
