"""Tests for our tokenizer in the files of Hugging Face.

The library `tokenizers` judges; tests/data/text compares our own tokenizer with
google-research/bert on the same texts.
"""

import gzip
import json

import pytest

from data.text.tokenization import BertTokenizer
from serving.exports import tokenizer_json

# `make slow` installs the packages.
pytestmark = pytest.mark.slow

tokenizers = pytest.importorskip('tokenizers')

_SPECIAL = '[MASK] [CLS] [SEP] [UNK] [PAD]'


def _loaded(folder, vocab_file, is_lower=True, max_seq_length=64):
  ours = BertTokenizer(str(vocab_file), is_lower)
  tokenizer_json.write(str(folder), ours, str(vocab_file), max_seq_length)
  return tokenizers.Tokenizer.from_file(str(folder / 'tokenizer.json'))


def test_one_text_and_pairs_get_the_special_tokens(world, tmp_path):
  theirs = _loaded(tmp_path, world / 'vocab.txt')
  single = theirs.encode('A good film.')
  assert single.tokens == ['[CLS]', 'a', 'good', 'film', '.', '[SEP]']
  pair = theirs.encode('the plot', 'was dull')
  expected = '[CLS] the plot [SEP] was dull [SEP]'
  assert pair.tokens == expected.split()
  assert pair.type_ids == [0, 0, 0, 0, 1, 1, 1]


def test_texts_are_cut_at_the_longest_input(world, tmp_path):
  theirs = _loaded(tmp_path, world / 'vocab.txt', max_seq_length=5)
  text = theirs.encode('the plot was dull .')
  assert text.tokens == ['[CLS]', 'the', 'plot', 'was', '[SEP]']


def test_cased_text_keeps_its_case(world, tmp_path):
  theirs = _loaded(tmp_path, world / 'vocab.txt', is_lower=False)
  assert theirs.encode('The film').tokens == ['[CLS]', '[UNK]', 'film', '[SEP]']


def test_words_of_up_to_200_characters_are_split(tmp_path):
  specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
  vocab_file = tmp_path / 'words.txt'
  vocab_file.write_text('\n'.join([*specials, 'x', '##x']))
  theirs = _loaded(tmp_path, vocab_file, max_seq_length=512)
  assert theirs.encode('x' * 200).ids == [2, 5] + [6] * 199 + [3]
  assert theirs.encode('x' * 201).ids == [2, 1, 3]


@pytest.mark.parametrize(
  ('is_lower', 'field', 'num_different'),
  [(True, 'uncased_ids', 111), (False, 'cased_ids', 37)],
)
def test_reference_texts_differ_in_new_characters_and_special_names_only(
  shared_data, fixtures_dir, tmp_path, is_lower, field, num_different
):
  with gzip.open(fixtures_dir / 'tokenization_reference.jsonl.gz') as file:
    references = [json.loads(line) for line in file]
  vocab_file = shared_data / 'vocab' / 'uncased_vocab.txt'
  theirs = _loaded(tmp_path, vocab_file, is_lower)
  theirs.no_truncation()
  encoded = theirs.encode_batch(
    [each['text'] for each in references], add_special_tokens=False
  )
  different = [
    reference['text']
    for reference, row in zip(references, encoded, strict=True)
    if row.ids != reference[field]
  ]
  assert len(different) <= num_different
  assert _SPECIAL in different
  for text in set(different) - {_SPECIAL}:
    # These texts test one character: 'a' + it + 'b ' + it + ' z'.
    assert text == f'a{text[1]}b {text[1]} z' and ord(text[1]) > 0x600
