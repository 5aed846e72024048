"""The lines that `tools.predict` prints: tab-separated columns or JSON.

Tested by `tests/tools/predict_test.py`.
"""

import dataclasses
import itertools
import json
from typing import Any

from serving.comparison import Comparison
from serving.model import Prediction, Text

_KEYS = ('text', 'text_pair')


@dataclasses.dataclass(frozen=True)
class Style:
  """How predictions are printed.

  Attributes:
    is_json: an object a line, else tab-separated columns.
    top_k: the number of labels, the most probable first; None for all in JSON
      and one in columns.
    shows_text: whether the text is printed.
  """

  is_json: bool = False
  top_k: int | None = None
  shows_text: bool = True

  def line(self, text: Text, prediction: Prediction) -> str:
    """Returns the line of a text."""
    if not self.is_json:
      return '\t'.join(self._columns(prediction) + self._text_columns(text))
    values = self._text_values(text)
    if prediction.value is not None:
      values['value'] = prediction.value
    else:
      values['label'] = prediction.label
      values['probabilities'] = dict(self._top(prediction))
    return json.dumps(values, ensure_ascii=False)

  def difference(
    self, text: Text, first: Prediction, second: Prediction
  ) -> str:
    """Returns the line of a text that two models label differently."""
    if not self.is_json:
      columns = [self._columns(x)[0] for x in (first, second)]
      return '\t'.join(columns + self._text_columns(text))
    values = self._text_values(text)
    for name, prediction in (('a', first), ('b', second)):
      if prediction.value is not None:
        values[f'value_{name}'] = prediction.value
      else:
        values[f'label_{name}'] = prediction.label
        values[f'probabilities_{name}'] = prediction.probabilities
    return json.dumps(values, ensure_ascii=False)

  def summary(self, found: Comparison) -> str:
    """Returns the last line of a comparison."""
    if self.is_json:
      return json.dumps(dataclasses.asdict(found))
    what = 'values' if found.are_numbers else 'labels'
    largest = 'a number' if found.are_numbers else 'a probability'
    share = found.num_equal / found.num_texts if found.num_texts else 1.0
    return (
      f'# {found.num_texts} texts, {found.num_equal} with equal {what} '
      f'({share:.2%}); largest difference of {largest}: '
      f'{found.largest_difference:.3g}'
    )

  def _top(self, prediction: Prediction) -> list[tuple[str, float]]:
    ordered = sorted(
      prediction.probabilities.items(), key=lambda item: -item[1]
    )
    default = None if self.is_json else 1
    return ordered[: self.top_k or default]

  def _columns(self, prediction: Prediction) -> list[str]:
    if prediction.value is not None:
      return [f'{prediction.value:.6g}']
    named = ((label, f'{p:.6f}') for label, p in self._top(prediction))
    return list(itertools.chain.from_iterable(named))

  def _text_columns(self, text: Text) -> list[str]:
    texts = [text] if isinstance(text, str) else [*text]
    return [_one_line(each) for each in texts] * self.shows_text

  def _text_values(self, text: Text) -> dict[str, Any]:
    texts = [text] if isinstance(text, str) else text
    return dict(zip(_KEYS, texts, strict=False)) if self.shows_text else {}


def _one_line(text: str) -> str:
  """Replaces what would break a row: CSV and JSON texts may hold it."""
  return ' '.join(text.splitlines()).replace('\t', ' ')
