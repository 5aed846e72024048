"""Tells where two models, or two runtimes of one, answer differently.

Tested by `tests/serving/comparison_test.py`.
"""

import dataclasses
import math
from collections.abc import Iterable

from serving.model import Model, Prediction
from system.errors import UserError

# Numbers count as equal up to this difference, relative to the larger one if
# that is above 1: two runtimes add in different orders.
TOLERANCE = 1e-4


@dataclasses.dataclass
class Comparison:
  """Counts the texts that two models label alike; `add` updates the counts.

  Attributes:
    num_texts: N.
    num_equal: the texts with equal labels, or with numbers that differ by no
      more than `TOLERANCE`.
    largest_difference: of two probabilities of a label, or of two numbers.
    are_numbers: whether the models predict numbers.
  """

  num_texts: int = 0
  num_equal: int = 0
  largest_difference: float = 0.0
  are_numbers: bool = False

  @classmethod
  def of(cls, first: Model, second: Model) -> 'Comparison':
    """Begins the comparison of two models.

    Raises:
      UserError: one predicts other labels than the other, or takes pairs and
        the other single texts.
    """
    kinds = [
      ', '.join(sorted(model.labels)) or 'a number' for model in (first, second)
    ]
    if kinds[0] != kinds[1]:
      raise UserError(
        f'the models cannot be compared: the first predicts {kinds[0]}, the '
        f'second {kinds[1]}'
      )
    pairs = first.takes_pairs, second.takes_pairs
    if None not in pairs and pairs[0] != pairs[1]:
      raise UserError(
        'the models cannot be compared: one takes pairs of texts, the other '
        'single texts'
      )
    return cls(are_numbers=not first.labels)

  def add(
    self, first: Iterable[Prediction], second: Iterable[Prediction]
  ) -> list[int]:
    """Counts two models' predictions of the same texts.

    Returns:
      The places of the texts that they label differently, from 0.
    """
    different = []
    for i, pair in enumerate(zip(first, second, strict=True)):
      self.num_texts += 1
      difference = _difference(*pair)
      # NaN compares as unequal to everything.
      difference = math.inf if math.isnan(difference) else difference
      self.largest_difference = max(self.largest_difference, difference)
      if _are_equal(*pair):
        self.num_equal += 1
      else:
        different.append(i)
    return different


def take_pairs(first: Model, second: Model) -> bool | None:
  """Returns whether two models take pairs; None if neither records it."""
  known = [first.takes_pairs, second.takes_pairs]
  return next((value for value in known if value is not None), None)


def _difference(first: Prediction, second: Prediction) -> float:
  if first.value is not None:
    return abs(first.value - second.value)
  return max(
    abs(probability - second.probabilities[label])
    for label, probability in first.probabilities.items()
  )


def _are_equal(first: Prediction, second: Prediction) -> bool:
  if first.value is None:
    return first.label == second.label
  size = max(1.0, abs(first.value), abs(second.value))
  return _difference(first, second) <= TOLERANCE * size
