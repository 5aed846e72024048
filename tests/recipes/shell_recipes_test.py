"""The recipes in Bash, with a fake Python that lists its calls."""

import os
import pathlib
import subprocess

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Nothing can be downloaded or made.
_PYTHON = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
exit 1
"""


@pytest.fixture
def calls_of(tmp_path):
  """Runs a recipe in a folder of its own; returns the calls of Python."""
  (tmp_path / 'python').write_text(_PYTHON)
  (tmp_path / 'python').chmod(0o755)

  def run(recipe, *arguments):
    fake = {'PYTHON': f'{tmp_path}/python', 'CALLS': f'{tmp_path}/calls'}
    done = subprocess.run(
      ['bash', str(_ROOT / recipe), *arguments],
      cwd=tmp_path,
      env={**os.environ, **fake},
      capture_output=True,
      text=True,
      timeout=60,
    )
    assert done.returncode == 1, done.stderr
    return (tmp_path / 'calls').read_text()

  return run


def test_the_quickstart_keeps_complete_data(calls_of, tmp_path):
  work = tmp_path / 'work'
  assert 'tools.extract_docstrings' in calls_of('recipes/quickstart.sh', work)
  (tmp_path / 'calls').unlink()
  (work / 'data').mkdir()
  (work / 'data' / 'manifest.json').write_text('{"asked": {}}')
  calls = calls_of('recipes/quickstart.sh', 'work')
  assert 'tools.extract_docstrings' not in calls
  assert 'tools.bag_of_words' in calls


@pytest.mark.parametrize('name', ['sst2', 'any_teacher', 'pruned_vocabulary'])
def test_relative_folders_are_those_of_the_caller(calls_of, tmp_path, name):
  calls = calls_of(f'recipes/{name}.sh', 'data', 'work')
  assert f'={tmp_path}/data/' in calls and f'={tmp_path}/work/' in calls
