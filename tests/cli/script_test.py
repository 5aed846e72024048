"""What scripts print on standard output."""

import os
import sys

import pytest

from cli import script


def test_a_long_word_of_a_message_is_cut(capsys):
  value = 'a' * 50_000 + 'b' * 50_000
  with pytest.raises(SystemExit) as exit_:
    script.fail(f'no file {value!r}, not {"c" * 399}')
  assert exit_.value.code == 1
  assert capsys.readouterr().err == (
    f"ERROR: no file '{'a' * 299}...{'b' * 28}', (100,003 characters) not "
    f'{"c" * 399}\n'
  )


def test_the_reader_may_close_the_pipe(monkeypatch):
  reader, writer = os.pipe()
  os.close(reader)
  with os.fdopen(writer, 'w') as stream:
    monkeypatch.setattr(sys, 'stdout', stream)
    script.show(f'{i}' for i in range(100_000))
