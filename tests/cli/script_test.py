"""What scripts print on standard output."""

import os
import sys

from cli import script


def test_the_reader_may_close_the_pipe(monkeypatch):
  reader, writer = os.pipe()
  os.close(reader)
  with os.fdopen(writer, 'w') as stream:
    monkeypatch.setattr(sys, 'stdout', stream)
    script.show(f'{i}' for i in range(100_000))
