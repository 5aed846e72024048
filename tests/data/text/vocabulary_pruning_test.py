"""Which tokens a pruned vocabulary keeps."""

import numpy as np
import pytest

from data.text import vocabulary_pruning

# fmt: off
_TOKENS = [
  '[PAD]', '[unused0]', '[UNK]', '[CLS]', '[SEP]', '[MASK]',
  'a', '##b', 'the', '##ing', 'film', '', '#', '##',
]
# fmt: on


@pytest.mark.parametrize(
  ('min_count', 'words'), [(1, ['the', '##ing']), (2, ['##ing'])]
)
def test_special_tokens_characters_and_used_pieces_stay(min_count, words):
  counts = np.zeros(len(_TOKENS), int)
  counts[_TOKENS.index('the')], counts[_TOKENS.index('##ing')] = 1, 2
  ids = vocabulary_pruning.kept(_TOKENS, counts, min_count)
  assert [_TOKENS[i] for i in ids] == [
    *['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', '##b', *words, '#'],
  ]
