"""Compiles the steps that a test makes, as one program each."""

import contextlib
from collections.abc import Iterator

from system import xla


@contextlib.contextmanager
def compiled_steps() -> Iterator[None]:
  """Compiles the steps that are made in a block."""
  was_on = xla.is_on()
  xla.choose('true')
  try:
    yield
  finally:
    xla.choose('true' if was_on else 'false')
