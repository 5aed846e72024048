"""Runs google-research/bert's modules, which need TensorFlow 1.

Benchmarks use it to compare this project with the original. As a script it runs
one of the original's scripts from a checkout, with that script's flags:

  python -m benchmarks.original path/to/bert/create_pretraining_data.py \\
    --input_file=text.txt --output_file=text.tfrecord --vocab_file=vocab.txt
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
  """Makes `import tensorflow` import TensorFlow 1 within the context."""
  import tensorflow as tf

  with mock.patch.dict(sys.modules, tensorflow=tf.compat.v1):
    yield


def load(reference_dir: str, name: str) -> ModuleType:
  """Imports a module of a checkout that imports no other module of it."""
  path = os.path.join(reference_dir, f'{name}.py')
  spec = importlib.util.spec_from_file_location(f'original_{name}', path)
  module = importlib.util.module_from_spec(spec)
  with _tensorflow_1():
    spec.loader.exec_module(module)
  return module


def main() -> None:
  """Runs the script that the first argument names with the other arguments."""
  del sys.argv[0]
  # As in a run without this module, the script imports modules from its own
  # folder.
  sys.path.insert(0, os.path.dirname(sys.argv[0]))
  with _tensorflow_1():
    runpy.run_path(sys.argv[0], run_name='__main__')


if __name__ == '__main__':
  main()
