"""Turns the scores that a table holds for one text into logits.

A probability p becomes log(p). Probabilities are scaled to the sum 1, and are
at least `_MIN_PROBABILITY`, whose logarithm is -13.8: a teacher that writes 0
means a small number that its digits cannot show, and log(0) has no use.

Does not import TensorFlow.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from data.tasks import tables
from distillation.score_columns import ScoreColumns
from system import json_text
from system.errors import shown

_MIN_PROBABILITY = 1e-6
# Rounding to two decimals moves each probability by up to 0.005.
_ROUNDING = 0.005
_LARGEST_TOLERANCE = 0.05
_LARGEST_LOGIT = 1e6


class BadScore(Exception):
  """A row without usable scores: what is wrong, and what was found."""

  def __init__(self, kind: str, found: str):
    super().__init__(f'{kind}: {found}')
    self.kind, self.found = kind, found


class Score(NamedTuple):
  """The scores of one text."""

  logits: np.ndarray  # float32 [C]
  # By how much the sum of the given probabilities differed from 1.
  sum_error: float = 0.0
  is_bare: bool = False  # Whether it is a label without a confidence.


def score_of(
  row: Mapping[str, str], columns: ScoreColumns, bare_confidence: float
) -> Score:
  """Returns a row's scores.

  Args:
    row: column → value; a missing value has no entry, or is blank.
    columns: where the scores are.
    bare_confidence: the probability of a label without a confidence.

  Raises:
    BadScore: a score is missing or not finite, probabilities do not sum to 1,
      or a label is unknown.
  """
  if columns.kind == 'numbers':
    return Score(np.float32([_logit(row.get(columns.names[0]))]))
  if columns.kind == 'labels':
    return _of_label(row, columns, bare_confidence)
  values = _values(row, columns)
  if columns.kind == 'logits':
    return Score(np.float32([_logit(value) for value in values]))
  return from_probabilities([_probability(value) for value in values])


def from_probabilities(probabilities: Sequence[float]) -> Score:
  """Returns the logits of probabilities, float32 [C].

  Args:
    probabilities: C numbers from 0 to 1.

  Raises:
    BadScore: their sum differs from 1 by more than rounding to two decimals
      explains: 0.005 for each label, at most 0.05.
  """
  total = math.fsum(probabilities)
  allowed = min(_ROUNDING * len(probabilities), _LARGEST_TOLERANCE)
  if abs(total - 1) > allowed + 1e-6:
    raise BadScore('probabilities that do not sum to 1', f'{total:.4g}')
  clipped = np.maximum(np.float64(probabilities) / total, _MIN_PROBABILITY)
  return Score(
    np.log(clipped / clipped.sum()).astype(np.float32), abs(total - 1)
  )


def _of_label(
  row: Mapping[str, str], columns: ScoreColumns, bare_confidence: float
) -> Score:
  label, labels = row.get(columns.names[0], ''), columns.labels
  if not label.strip():
    raise BadScore('no label', shown(label))
  if label not in labels:
    raise BadScore('an unknown label', shown(label))
  given = row.get(columns.confidence, '') if columns.confidence else ''
  is_bare = not given.strip()
  confidence = bare_confidence if is_bare else _probability(given)
  lowest = 1 / len(labels)
  if not is_bare and confidence < lowest - _ROUNDING:
    raise BadScore(
      f'a confidence below 1/{len(labels)}, so that another label is likelier',
      shown(given),
    )
  confidence = max(confidence, lowest)
  rest = (1 - confidence) / (len(labels) - 1)
  score = from_probabilities(
    [confidence if each == label else rest for each in labels]
  )
  return score._replace(sum_error=0.0, is_bare=is_bare)


def _values(row: Mapping[str, str], columns: ScoreColumns) -> list[Any]:
  """Returns the scores of all labels, in the task's order."""
  if not columns.is_object:
    return [row.get(name) for name in columns.names]
  text = row.get(columns.names[0], '')
  if not text.strip():
    raise BadScore('no score', shown(text))
  found = _by_label(text)
  if unknown := [label for label in found if label not in columns.labels]:
    raise BadScore('an unknown label', shown(unknown[0]))
  if missing := [label for label in columns.labels if label not in found]:
    raise BadScore('no score for a label', shown(missing[0]))
  return [found[label] for label in columns.labels]


def _by_label(text: str) -> dict[str, Any]:
  """Parses an object, or a list of objects with a label and a score."""
  try:
    value = json_text.parse(text, allows_nan=True)
    if isinstance(value, list):
      pairs = [(tables.spelt(each['label']), each['score']) for each in value]
      value = dict(pairs)
      if len(value) < len(pairs):
        raise BadScore('a label with two scores', shown(text))
  except (ValueError, TypeError, KeyError) as error:
    raise BadScore('no object of scores by label', shown(text)) from error
  if not isinstance(value, dict):
    raise BadScore('no object of scores by label', shown(text))
  return value


def _number(value: Any) -> float:
  """Returns a finite number that a value is or spells."""
  if value is None or (isinstance(value, str) and not value.strip()):
    raise BadScore('no score', 'nothing')
  try:
    number = math.nan if isinstance(value, bool) else float(value)
  except (ValueError, TypeError, OverflowError):
    number = math.nan
  if not math.isfinite(number):
    raise BadScore('a score that is not a finite number', shown(value))
  return number


def _logit(value: Any) -> float:
  number = _number(value)
  if abs(number) > _LARGEST_LOGIT:
    raise BadScore(f'a score beyond {_LARGEST_LOGIT:,.0f}', shown(value))
  return number


def _probability(value: Any) -> float:
  number = _number(value)
  if not 0 <= number <= 1:
    raise BadScore('a probability outside of 0 to 1', shown(value))
  return number
