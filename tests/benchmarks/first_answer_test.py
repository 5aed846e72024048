"""Tests for the benchmark of the first answer, without TensorFlow."""

import textwrap

import pytest

from benchmarks import first_answer
from system.errors import UserError


@pytest.fixture
def tool(tmp_path, monkeypatch):
  """Makes modules that stand for TensorFlow and for a tool."""

  def make(code: str) -> str:
    (tmp_path / 'tensorflow.py').write_text('import time; time.sleep(0.2)\n')
    (tmp_path / 'tool.py').write_text(textwrap.dedent(code))
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
    time.sleep(5)
  """)
  imported, answered = first_answer.measure([name, '--flag'], 'a text')
  assert imported >= 0.2
  # The time until the answer, not until the end.
  assert 0.3 <= answered < 0.3 + 5


def test_a_long_log_does_not_stop_the_tool(tool):
  name = tool("""
    import sys, tensorflow
    sys.stderr.write('x' * 200_000 + chr(10))
    print('label')
  """)
  imported, _ = first_answer.measure([name], 'a text')
  assert imported >= 0.2


def test_a_tool_without_tensorflow_is_refused(tool):
  name = tool("print('label')")
  with pytest.raises(UserError, match='tool answered without TensorFlow'):
    first_answer.measure([name], 'a text')


def test_a_command_that_fails_is_named_with_its_message(tool):
  name = tool("""
    import sys, tensorflow
    sys.exit('there is no model')
  """)
  with pytest.raises(UserError, match='tool failed:(.|\n)*there is no model'):
    first_answer.measure([name], 'a text')
