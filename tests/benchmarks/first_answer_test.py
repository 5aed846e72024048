"""Tests for the benchmark of the first answer, without TensorFlow."""

import textwrap

import pytest

from benchmarks import first_answer
from system.errors import UserError


@pytest.fixture
def tool(tmp_path, monkeypatch):
  """Makes a module of a package 'tensorflow' and a tool that imports it."""

  def make(code: str) -> str:
    (tmp_path / 'tensorflow.py').write_text('import time; time.sleep(0.2)\n')
    (tmp_path / 'tool.py').write_text(textwrap.dedent(code))
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setattr(
      first_answer.processes,
      'environment',
      lambda: {'PYTHONPATH': str(tmp_path)},
    )
    return 'tool'

  return make


def test_times_the_import_and_the_answer_after_it(tool):
  name = tool("""
    import sys, time, tensorflow
    time.sleep(0.3)
    print(sys.argv[1], sys.stdin.read().strip(), flush=True)
    time.sleep(0.4)
  """)
  imported, answered = first_answer.measure([name, '--flag'], 'a text')
  assert 0.2 <= imported < 0.3 + 0.2
  assert 0.3 <= answered < 0.3 + 0.4


def test_a_command_that_fails_is_named_with_its_message(tool):
  name = tool("""
    import sys, tensorflow
    sys.exit('there is no model')
  """)
  with pytest.raises(UserError, match='tool failed:(.|\n)*there is no model'):
    first_answer.measure([name], 'a text')
