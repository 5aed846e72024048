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


@pytest.mark.parametrize('name', ['sst2', 'any_teacher', 'pruned_vocabulary'])
def test_relative_folders_are_those_of_the_caller(calls_of, tmp_path, name):
  calls = calls_of(f'recipes/{name}.sh', 'data', 'work')
  assert f'={tmp_path}/data/' in calls and f'={tmp_path}/work/' in calls


def test_the_work_folder_of_the_quickstart_is_in_that_of_the_caller(
  calls_of, tmp_path
):
  calls = calls_of('recipes/quickstart.sh', 'work')
  assert f'--output_dir={tmp_path}/work/data ' in calls
