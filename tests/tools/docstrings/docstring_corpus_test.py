"""Modules and docstrings of a small installed package."""

import sys

import pytest

from tools.docstrings import docstring_corpus

PROSE = 'This is the prose of {}.'


def test_docstrings_of_module_classes_and_nested_functions():
  source = b'''"""one"""
if True:
  class A:
    """two"""
    def method(self):
      """three"""
      def inner():
        """four"""
try:
  pass
except ValueError:
  def f():
    """five"""
x = """not a docstring"""
'''
  found = list(docstring_corpus.docstrings(source))
  assert found == ['one', 'two', 'three', 'four', 'five']


def test_a_file_that_cannot_be_parsed_has_no_docstrings():
  assert list(docstring_corpus.docstrings(b'"""one"""\n{% if x %}')) == []


@pytest.fixture
def library(tmp_path, monkeypatch):
  """Installs a package 'zoo' that raises when it is imported."""
  files = {
    '__init__.py': PROSE.format('the package'),
    'lions.py': PROSE.format('all lions'),
    'cats/__init__.py': 'Cats.',
    'cats/tame.py': PROSE.format('tame cats'),
    'tests/lions.py': PROSE.format('a test'),
    'lions_test.py': PROSE.format('a test'),
    '_hidden.py': PROSE.format('hidden things'),
  }
  for name, text in files.items():
    path = tmp_path / 'zoo' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""{text}"""\nraise RuntimeError("imported")\n')
  monkeypatch.setitem(docstring_corpus.LIBRARIES, 'Zoo', ('zoo', 'no_such'))
  monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
  return 'Zoo'


def test_read_library_yields_modules_in_order_without_tests(library):
  found = [(m.name, m.sentences) for m in docstring_corpus.read_library('Zoo')]
  assert found == [
    ('zoo', ('This is the prose of the package.',)),
    ('zoo._hidden', ('This is the prose of hidden things.',)),
    ('zoo.cats.tame', ('This is the prose of tame cats.',)),
    ('zoo.lions', ('This is the prose of all lions.',)),
  ]


def test_versions_are_those_of_the_libraries():
  versions = docstring_corpus.installed_versions()
  assert {'tf_keras', 'scipy', 'numpy'} <= set(versions)
  assert 'pytest' not in versions
