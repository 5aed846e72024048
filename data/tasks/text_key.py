"""When two texts count as the same.

Tested by `tests/data/tasks/table_split_test.py`.
"""

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
