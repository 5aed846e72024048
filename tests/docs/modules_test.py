"""Each module has a test, or its docstring names one (CONTRIBUTING.md)."""

import ast
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_TESTS = _ROOT / 'tests'
_PACKAGES = (
  *('benchmarks', 'cli', 'data', 'devices', 'distillation', 'modeling'),
  *('pipeline', 'recipes', 'serving', 'system', 'tools', 'training'),
)
_MODULES = [
  *_ROOT.glob('run_*.py'),
  *(path for package in _PACKAGES for path in (_ROOT / package).rglob('*.py')),
]
# It compares two versions of this project, for many minutes.
_EXCEPTED = ('benchmarks/same_bytes.py',)
_NAMED = re.compile(r'tests/[\w/]+_test\.py')


def _name(path: pathlib.Path) -> str:
  return str(path.relative_to(_ROOT))


def _is_module(path: pathlib.Path) -> bool:
  is_other = path.name == '__init__.py' or path.name.endswith('_test.py')
  return not is_other and _name(path) not in _EXCEPTED


@pytest.mark.parametrize('path', filter(_is_module, _MODULES), ids=_name)
def test_a_module_has_a_test(path):
  folder = _TESTS / path.relative_to(_ROOT).parent
  own = [
    folder / f'{path.stem}_test.py',
    _TESTS / 'scripts' / f'{path.stem}_test.py',
    # All experiments of the paper have one.
    folder.parent / f'{folder.name}_test.py',
  ]
  docstring = ast.get_docstring(ast.parse(path.read_text())) or ''
  named = [_ROOT / name for name in _NAMED.findall(docstring)]
  assert all(test.exists() for test in named)
  assert named or any(test.exists() for test in own)
