"""The checksum that identifies a vocabulary. Does not import TensorFlow.

Tested by `tests/data/text/tokenization_test.py`.
"""

import hashlib
from collections.abc import Iterable

from system import text_files


def of(tokens: Iterable[str]) -> str:
  """Returns the SHA-256 of the tokens joined by line feeds, in hexadecimal."""
  return hashlib.sha256('\n'.join(tokens).encode()).hexdigest()


def of_file(vocab_file: str) -> str:
  """Returns the checksum of the vocabulary in a file, which is not checked.

  Raises:
    UserError: the file cannot be read, or is not UTF-8.
  """
  return of(line.strip() for line in text_files.read_list(vocab_file))
