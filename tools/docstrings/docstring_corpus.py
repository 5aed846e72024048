"""Reads the docstrings of installed packages without importing them.

The import system finds a package's files and `ast` parses them. Each module
becomes one document of English sentences.
"""

import ast
import dataclasses
import importlib.metadata
import importlib.util
import pathlib
import warnings
from collections.abc import Iterator

from tools.docstrings import docstring_prose

# The libraries with the most prose, and their packages. The list is fixed, so
# that a user's other packages don't change the results.
LIBRARIES = {
  'keras': ('keras', 'tf_keras'),
  'matplotlib': ('matplotlib', 'mpl_toolkits'),
  'numpy': ('numpy',),
  'pandas': ('pandas',),
  'scipy': ('scipy',),
  'sklearn': ('sklearn',),
}

# Tests have few docstrings, and vendored code belongs to other libraries.
_SKIPPED_FOLDERS = frozenset(
  ['tests', 'test', 'testing', 'externals', '_vendor', 'third_party', 'extern']
)


@dataclasses.dataclass(frozen=True)
class Module:
  """The sentences of one module's docstrings, in source order."""

  library: str
  name: str
  sentences: tuple[str, ...]


def package_folders(package: str) -> list[pathlib.Path]:
  """Returns the folders of a package; [] if it is not installed."""
  spec = importlib.util.find_spec(package)
  if spec is None or not spec.submodule_search_locations:
    return []
  return [pathlib.Path(path) for path in spec.submodule_search_locations]


def installed_versions() -> dict[str, str]:
  """Returns the versions of the distributions that provide `LIBRARIES`.

  Returns:
    Distribution name → version, sorted by name. Packages that are not installed
    are left out.
  """
  providers = importlib.metadata.packages_distributions()
  names = {
    name
    for packages in LIBRARIES.values()
    for package in packages
    for name in providers.get(package, ())
  }
  return {name: importlib.metadata.version(name) for name in sorted(names)}


def read_library(library: str) -> Iterator[Module]:
  """Yields the modules of a library that contain prose, in path order."""
  for package in LIBRARIES[library]:
    for folder in package_folders(package):
      for path in sorted(folder.rglob('*.py')):
        parts = path.relative_to(folder.parent).with_suffix('').parts
        if _SKIPPED_FOLDERS.isdisjoint(parts) and parts[-1][-5:] != '_test':
          name = '.'.join(part for part in parts if part != '__init__')
          sentences = tuple(_module_sentences(path))
          if sentences:
            yield Module(library, name, sentences)


def docstrings(source: bytes) -> Iterator[str]:
  """Yields the docstrings of a module, its classes and its functions.

  Args:
    source: the content of a Python file. A file that this Python cannot parse,
      such as a template, has no docstrings.
  """
  if b'"""' not in source and b"'''" not in source:
    return  # Saves parsing one file in seven.
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # Warnings about invalid escapes.
      tree = ast.parse(source)
  except (SyntaxError, ValueError):
    return
  yield from _docstrings_below(tree)


def _module_sentences(path: pathlib.Path) -> Iterator[str]:
  for docstring in docstrings(path.read_bytes()):
    yield from docstring_prose.sentences(docstring)


def _docstrings_below(node: ast.AST) -> Iterator[str]:
  """Yields the docstrings of a node and of the statements inside it."""
  if isinstance(
    node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
  ):
    docstring = ast.get_docstring(node, clean=False)
    if docstring:
      yield docstring
  for field in ('body', 'orelse', 'handlers', 'finalbody'):
    children = getattr(node, field, ())
    for child in children if isinstance(children, list) else ():
      yield from _docstrings_below(child)
