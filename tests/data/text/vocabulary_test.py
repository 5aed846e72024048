"""A vocabulary and its file."""

import hashlib

import numpy as np
import pytest

from data.text.vocabulary import SPECIAL, Vocabulary, load_vocabulary
from system.errors import UserError


def test_a_vocabulary_describes_its_tokens():
  vocabulary = Vocabulary(['a', '##b', 'c', 'a'])
  assert vocabulary.ids == {'a': 3, '##b': 1, 'c': 2}
  assert vocabulary.checksum == hashlib.sha256(b'a\n##b\nc\na').hexdigest()
  assert vocabulary.continuation_mask.dtype == np.bool_
  assert vocabulary.continuation_mask.tolist() == [False, True, False, False]


@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_a_line_is_a_token_without_white_space_around_it(tmp_path, end):
  lines = ['a', '\u2028', '', *SPECIAL, ' b', 'a\u2028', '', '']
  path = tmp_path / 'vocab.txt'
  path.write_bytes(end.join(lines).encode())
  tokens = load_vocabulary(str(path)).tokens
  assert tokens == ['a', '', '', *SPECIAL, 'b', 'a']


def test_a_token_may_be_as_large_as_the_kernel_holds_or_longer_than_a_word(
  tmp_path,
):
  words = ['é' * 128, '##' + 'é' * 128, 'é' * 201, '##' + 'é' * 201]
  path = tmp_path / 'vocab.txt'
  path.write_text('\n'.join([*SPECIAL, *words]))
  assert load_vocabulary(str(path)).tokens[5:] == words


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (
      '\n'.join([*SPECIAL, 'é' * 130]).encode(),
      "line 6: the token 'é{20}'... has 260 bytes of UTF-8, .* at most 256",
    ),
    (
      '\n'.join([*SPECIAL, '##' + '😀' * 65]).encode(),
      'line 6: .* has 262 bytes of UTF-8',
    ),
    (
      '\n'.join([*SPECIAL, 'é' * 200]).encode(),  # As long as a word.
      'line 6: .* has 400 bytes of UTF-8',
    ),
    (b'', 'is empty; expected one token per line'),
    (b'\n\n', 'is empty; expected one token per line'),
    (
      '\n'.join([*SPECIAL, 'a', 'b', 'a']).encode(),
      "line 8: token 'a' is already in line 6",
    ),
    (b'[PAD]\n[UNK]\n[CLS]\n', r'lacks \[SEP\], \[MASK\] in its 3 lines'),
    (b'[PAD]\n\xff\n', 'line 2: expected UTF-8'),
  ],
)
def test_refuses_a_file_that_is_not_a_vocabulary(tmp_path, content, message):
  file = tmp_path / 'bad.txt'
  file.write_bytes(content)
  with pytest.raises(UserError, match=message) as error:
    load_vocabulary(str(file))
  assert str(file) in str(error.value)


def test_refuses_a_missing_vocabulary(tmp_path):
  with pytest.raises(UserError, match=r'`vocab_file`.*none\.txt'):
    load_vocabulary(str(tmp_path / 'none.txt'))
