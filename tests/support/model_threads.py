"""Calls a model from several threads."""

import concurrent.futures

import numpy as np

_TEXTS = ('the film is good .', 'awful', 'a dull plot and a long film', '')


def check_threads(model) -> None:
  """Asserts that threads get the answers that one call after another gets."""
  expected = {text: model.logits([text]) for text in _TEXTS}

  def worst(text: str) -> float:
    return max(
      float(np.abs(model.logits([text]) - expected[text]).max())
      for _ in range(100)
    )

  with concurrent.futures.ThreadPoolExecutor(len(_TEXTS)) as pool:
    assert max(pool.map(worst, _TEXTS)) < 1e-5
