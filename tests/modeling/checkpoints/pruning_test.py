"""Rows of the word embeddings and of the masked-LM head's bias."""

import numpy as np
import pytest

from modeling.checkpoints import pruning
from modeling.checkpoints.released_names import MASKED_LM_BIAS, WORDS
from system.errors import UserError

_WEIGHTS = {
  WORDS: np.arange(8, dtype=np.float32).reshape(4, 2),
  MASKED_LM_BIAS: np.arange(4, dtype=np.float32),
  'output_bias': np.arange(4, dtype=np.float32),
}


def test_embeddings_and_bias_keep_the_same_rows_and_others_stay():
  pruned = pruning.prune(_WEIGHTS, np.array([0, 3]), 4)
  assert pruned[WORDS].tolist() == [[0, 1], [6, 7]]
  assert pruned[MASKED_LM_BIAS].tolist() == [0, 3]
  assert pruned['output_bias'] is _WEIGHTS['output_bias']


def test_another_number_of_rows_is_refused():
  with pytest.raises(UserError, match='word_embeddings has 4 rows, .* 5 tok'):
    pruning.prune(_WEIGHTS, np.array([0]), 5)
  short = {**_WEIGHTS, MASKED_LM_BIAS: np.zeros(3, np.float32)}
  with pytest.raises(UserError, match='predictions/output_bias has 3 rows'):
    pruning.prune(short, np.array([0]), 4)
  with pytest.raises(UserError, match='has no bert/embeddings/word_emb'):
    pruning.prune({}, np.array([0]), 4)
