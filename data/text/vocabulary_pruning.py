"""Chooses the tokens of a vocabulary that a smaller one keeps."""

from collections.abc import Sequence

import numpy as np

from data.text.vocabulary import CONTINUATION, SPECIAL


def kept(
  tokens: Sequence[str], counts: np.ndarray, min_count: int = 1
) -> np.ndarray:
  """Returns the ids of the tokens to keep, ascending.

  Kept are the special tokens; all single characters, and all that continue a
  word ('##a'), so that a word of known characters rarely becomes [UNK]; and
  the tokens that occur `min_count` times or more. The others go, among them
  the released vocabularies' `[unused…]`, which no text has. The order stays, so
  that [PAD] keeps the id 0 if it has it.

  With a `min_count` of 1, the counted text has the same wordpieces as before:
  the longest piece at each place is still there, and no longer one is new.

  Args:
    tokens: V tokens.
    counts: how often each occurs, int [V].
    min_count: at least 1.

  Returns:
    int64 [the number of kept tokens].
  """
  return np.array(
    [
      number
      for number, (token, count) in enumerate(zip(tokens, counts, strict=True))
      if token in SPECIAL
      or count >= min_count
      or len(token.removeprefix(CONTINUATION)) == 1
    ],
    np.int64,
  )
