"""What scripts print."""

import os
import sys

from cli import script


def test_who_reads_may_have_enough_before_the_end(monkeypatch):
  reader, writer = os.pipe()
  os.close(reader)
  with os.fdopen(writer, 'w') as stream:
    monkeypatch.setattr(sys, 'stdout', stream)
    script.show(f'{i}' for i in range(100_000))
