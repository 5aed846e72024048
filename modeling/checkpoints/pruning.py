"""Takes the rows of some tokens out of a checkpoint's weights."""

from collections.abc import Mapping

import numpy as np

from modeling.checkpoints.released_names import MASKED_LM_BIAS, WORDS
from system.errors import UserError


def prune(
  weights: Mapping[str, np.ndarray], ids: np.ndarray, vocab_size: int
) -> dict[str, np.ndarray]:
  """Returns weights for only the tokens `ids`; the other weights stay.

  Args:
    weights: released name → float32 array.
    ids: int64 [N], the old ids of the new tokens, in order.
    vocab_size: V of the weights.

  Raises:
    UserError: there are no word embeddings, or their number, or that of the
      masked-LM head's biases, is not V.
  """
  result = dict(weights)
  if WORDS not in weights:
    raise UserError(f'the checkpoint has no {WORDS}')
  for name in (WORDS, MASKED_LM_BIAS):
    if name not in weights:
      continue
    if (found := len(weights[name])) != vocab_size:
      raise UserError(
        f'{name} has {found:,} rows, but the vocabulary has {vocab_size:,} '
        'tokens: expected as many'
      )
    result[name] = weights[name][ids]
  return result
