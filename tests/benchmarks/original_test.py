"""Code that was written for TensorFlow 1."""

import subprocess
import sys

import pytest

from benchmarks import original


def test_a_module_imports_tensorflow_1(tmp_path):
  (tmp_path / 'old.py').write_text(
    'import tensorflow as tf\nplaceholder = tf.placeholder\n'
  )
  import tensorflow as tf

  assert original.load(str(tmp_path), 'old').placeholder is (
    tf.compat.v1.placeholder
  )
  assert sys.modules['tensorflow'] is tf


@pytest.mark.slow
def test_a_script_gets_its_flags_and_its_own_modules(tmp_path):
  (tmp_path / 'tokenization.py').write_text('NAME = "theirs"\n')
  (tmp_path / 'script.py').write_text(
    'import sys, tokenization\nprint(tokenization.NAME, sys.argv[1:])\n'
  )
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'benchmarks.original'],
      *[str(tmp_path / 'script.py'), '--flag=1'],
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == "theirs ['--flag=1']\n"
