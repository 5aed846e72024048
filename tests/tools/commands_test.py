"""Every command-line tool: its docstring's commands, and a fast --help."""

import ast
import pathlib
import shlex
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_COMMANDS = sorted(
  f'{path.parent.name}.{path.stem}'
  for folder in ('tools', 'benchmarks')
  for path in (_ROOT / folder).glob('*.py')
  if 'script.run(main)' in path.read_text()
)


def _docstring(module: str) -> str:
  path = _ROOT / (module.replace('.', '/') + '.py')
  return ast.get_docstring(ast.parse(path.read_text()))


def _commands(docstring: str) -> list[list[str]]:
  """Returns the commands in a docstring's indented lines, split into words."""
  lines = docstring.replace('\\\n', ' ').splitlines()
  return [
    shlex.split(line) for line in lines if line.startswith('  python -m ')
  ]


@pytest.mark.parametrize('module', _COMMANDS)
def test_the_docstring_begins_with_purpose_and_command(module):
  first, blank, command, *_ = _docstring(module).splitlines()
  assert first.endswith('.') and not blank
  assert command.split()[:3] == ['python', '-m', module]


@pytest.mark.slow
@pytest.mark.parametrize('module', _COMMANDS)
def test_the_flags_of_the_docstrings_commands_exist(module):
  for _, *arguments in _commands(_docstring(module)):
    subprocess.run(
      # Absl ends the script once the flags are parsed.
      [sys.executable, *arguments, '--only_check_args'],
      cwd=_ROOT,
      check=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize('module', _COMMANDS)
def test_help_does_not_import_tensorflow(module):
  code = f"""
import runpy, sys
sys.argv = ['{module}', '--help']
try:
  runpy.run_module('{module}', run_name='__main__')
except SystemExit:
  print('tensorflow' in sys.modules)
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert f'USAGE: {module}' in done.stdout
  assert done.stdout.splitlines()[-1] == 'False'
