"""google-research/bert's modules, which were written for TensorFlow 1.

As a script, it runs one of theirs from a checkout:

    python benchmarks/original.py path/to/google-research-bert/a_script.py \\
        --flags_of_that_script
"""

import contextlib
import importlib.util
import os
import runpy
import sys
from collections.abc import Iterator
from types import ModuleType
from unittest import mock


@contextlib.contextmanager
def _tensorflow_1() -> Iterator[None]:
  """Within the context, `import tensorflow` gives TensorFlow 1."""
  import tensorflow as tf

  with mock.patch.dict(sys.modules, tensorflow=tf.compat.v1):
    yield


def load(reference_dir: str, name: str) -> ModuleType:
  """Returns a module of a checkout that imports no other module of it."""
  path = os.path.join(reference_dir, f'{name}.py')
  spec = importlib.util.spec_from_file_location(f'original_{name}', path)
  module = importlib.util.module_from_spec(spec)
  with _tensorflow_1():
    spec.loader.exec_module(module)
  return module


def main() -> None:
  """Runs the script that the first argument names with the other arguments."""
  del sys.argv[0]
  # Its siblings come first: there is a tokenization.py beside this file, too.
  sys.path.insert(0, os.path.dirname(sys.argv[0]))
  with _tensorflow_1():
    runpy.run_path(sys.argv[0], run_name='__main__')


if __name__ == '__main__':
  main()
