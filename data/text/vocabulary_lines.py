"""Reads the lines of a vocabulary, without TensorFlow.

Tested by `tests/data/text/tokenization_test.py`.
"""

from system import text_files


def read(vocab_file: str) -> list[str]:
  """Returns the lines that have an id: all except blank ones at the end."""
  lines = list(text_files.read_lines(vocab_file))
  while lines and not lines[-1]:
    lines.pop()
  return lines
