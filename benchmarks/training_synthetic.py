"""Synthetic data for `training` on a machine without any.

The words are random and have Zipf's frequencies. The numbers of words per
sentence and of sentences per document are like Wikipedia's, those of SST-2's
phrases like SST-2's, so that batches need as much padding.

Tested by `tests/benchmarks/training_synthetic_test.py`.
"""

import os

import numpy as np

from system import local_files

_SPECIAL = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.')
_VOCAB_SIZE = 30522
_NUM_DOCUMENTS = 3000
_NUM_PHRASES = 16384


def vocabulary(path: str) -> None:
  """Writes a vocabulary of released BERT's size."""
  words = [_word(i) for i in range(_VOCAB_SIZE - len(_SPECIAL))]
  local_files.write(path, '\n'.join([*_SPECIAL, *words]) + '\n')


def text(path: str) -> None:
  """Writes documents in google-research/bert's input format."""
  rng = np.random.default_rng(1)
  documents = []
  for num_sentences in rng.geometric(1 / 25, _NUM_DOCUMENTS):
    lengths = rng.lognormal(3.0, 0.5, num_sentences).astype(int) + 2
    documents.append('\n'.join(f'{_words(rng, n)} .' for n in lengths))
  local_files.write(path, '\n\n'.join(documents) + '\n')


def sst_2(folder: str) -> None:
  """Writes `train.tsv` of SST-2; the labels are random."""
  rng = np.random.default_rng(2)
  lengths = rng.lognormal(2.1, 0.8, _NUM_PHRASES).astype(int) + 1
  rows = [f'{_words(rng, min(n, 50))}\t{rng.integers(2)}' for n in lengths]
  path = os.path.join(folder, 'train.tsv')
  local_files.write(path, '\n'.join(['sentence\tlabel', *rows]) + '\n')


def _word(number: int) -> str:
  """Returns a number written in letters, as a word of the text."""
  letters = ''
  number += 26  # Longer than one letter.
  while number:
    number, digit = divmod(number, 26)
    letters += chr(ord('a') + digit)
  return letters


def _words(rng: np.random.Generator, count: int) -> str:
  numbers = rng.zipf(1.2, count) % (_VOCAB_SIZE - len(_SPECIAL))
  return ' '.join(map(_word, numbers.tolist()))
