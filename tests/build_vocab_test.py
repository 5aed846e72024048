"""A vocabulary learned from text."""

import pytest

from data.errors import UserError
from data.tokenization import BertTokenizer
from tools import build_vocab


def test_frequent_words_become_tokens_and_any_word_of_the_text_has_pieces(
  tmp_path,
):
  lines = ['The lower lowest low', 'the newest new', ''] * 50
  tokens = build_vocab.learn(lines, 100, do_lower_case=True)
  assert tokens[:5] == ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
  assert {'the', 'low', 'new'} <= set(tokens)
  assert len(set(tokens)) == len(tokens)
  path = tmp_path / 'vocab.txt'
  path.write_text(''.join(f'{token}\n' for token in tokens))
  tokenizer = BertTokenizer(str(path), True)
  ids = tokenizer.tokenize(['The newest slower owl']).to_list()[0]
  assert tokens.index('[UNK]') not in ids


def test_text_is_needed():
  with pytest.raises(UserError, match='no text to learn a vocabulary from'):
    build_vocab.learn(['', ' '], 100, do_lower_case=True)
