"""When two texts count as the same, and which texts occur more than once.

Tested by `tests/data/tasks/table_split_test.py`.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from data.tasks.examples import Example, Texts
from system.errors import shown

# A normalised text, or the two of a pair.
TextKey = tuple[str, str | None]


def text_key(text_a: str, text_b: str | None = None) -> TextKey:
  """Returns a text or a pair without white space and in lower case.

  So GLUE's tokenised `it 's` is the same as running text. An empty half of a
  pair is '', the missing half of a single sentence None.
  """
  return _normalise(text_a), None if text_b is None else _normalise(text_b)


def _normalise(text: str) -> str:
  return ''.join(text.lower().split())


_Example = TypeVar('_Example', bound=Texts)


def by_text(examples: Iterable[_Example]) -> dict[TextKey, list[_Example]]:
  """Returns the examples of each text or pair."""
  groups: dict[TextKey, list[_Example]] = {}
  for example in examples:
    key = text_key(example.text_a, example.text_b)
    groups.setdefault(key, []).append(example)
  return groups


def contradicting(groups: Iterable[Sequence[Example]]) -> list[str]:
  """Returns the texts with several labels, as messages show them.

  Args:
    groups: the examples of each text.
  """
  return [
    ' | '.join(map(shown, filter(None, (group[0].text_a, group[0].text_b))))
    for group in groups
    if len({example.label for example in group} - {None}) > 1
  ]
