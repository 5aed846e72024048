"""Files from untrusted sources run no code."""

import ast
import pathlib
import pickle
import re

import numpy as np
import pytest
import tensorflow as tf

from data.records import feature_spec, record_reader, record_writer
from data.records.record_source import RecordSource
from distillation import logits_dump
from system.errors import UserError

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PACKAGES = (
  *('cli', 'data', 'devices', 'distillation', 'modeling', 'pipeline'),
  *('recipes', 'serving', 'system', 'tools', 'training'),
)
_SOURCES = [
  *_ROOT.glob('run_*.py'),
  *(x for package in _PACKAGES for x in (_ROOT / package).rglob('*.py')),
]
_EXCEPTED = (
  # Beam's workers read their task from a pickle that the pipeline itself writes
  # for each job; Beam pickles everything it passes on as well.
  'data/pretraining/beam/record_transforms.py',
  # It finds no class but its own; pytorch_file_test tries it.
  'modeling/checkpoints/pytorch_file.py',
  # PyTorch computes. transformers reads only weights from the file, and runs
  # no code of a folder unless it is asked to.
  'serving/exports/checkers/hugging_face.py',
  'serving/transformers_model.py',
)
# Modules and functions that execute code in their input.
_MODULES = {'dill', 'joblib', 'marshal', 'pickle', 'shelve', 'torch', 'yaml'}
_CALLS = {'eval', 'exec', 'compile', '__import__', 'load_model', 'load_op'}


def _names(tree: ast.AST):
  """Yields the names of imported modules and of called functions."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      modules = {x.name.partition('.')[0] for x in node.names}
      yield from modules - {'yaml'}  # See its calls below.
    elif isinstance(node, ast.ImportFrom):
      yield (node.module or '').partition('.')[0]
    elif isinstance(node, ast.Call):
      if isinstance(node.func, ast.Name):
        yield node.func.id
      elif ast.unparse(node.func).startswith(('tf.', 'np.')):
        yield node.func.attr
      elif re.match(r'yaml\.(?!safe_(load|dump)$)', ast.unparse(node.func)):
        yield 'yaml'


def _name(path: pathlib.Path) -> str:
  return str(path.relative_to(_ROOT))


@pytest.mark.parametrize('path', _SOURCES, ids=_name)
def test_nothing_that_loads_code_is_used(path):
  tree = ast.parse(path.read_text())
  found = set(_names(tree)) & (_MODULES | _CALLS)
  # An exception that is none would hide a later mistake.
  assert bool(found) == (_name(path) in _EXCEPTED)
  for node in ast.walk(tree):
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith('np.'):
      name = ast.unparse(node.func)
      if name == 'np.load' or name.endswith('.read_array'):
        assert 'allow_pickle=False' in ast.unparse(node)


class _Code:
  """Creates a file when it is unpickled."""

  def __init__(self, path):
    self._path = path

  def __reduce__(self):
    return pathlib.Path.touch, (self._path,)


def test_a_pickle_in_a_dump_is_not_run(tmp_path, caplog):
  proof = tmp_path / 'proof'
  values = np.array([_Code(proof)], dtype=object)
  np.save(tmp_path / 'dev_logits.npy', values, allow_pickle=True)
  assert logits_dump.read_dev_logits(str(tmp_path), (1, 2)) is None
  assert 'dev_logits.npy is damaged' in caplog.text
  (tmp_path / 'dev_logits.npy').write_bytes(pickle.dumps(_Code(proof)))
  assert logits_dump.read_dev_logits(str(tmp_path), (1, 2)) is None
  assert not proof.exists()


def test_a_record_of_anything_is_named(tmp_path):
  rng = np.random.default_rng(0)
  path = str(tmp_path / 'records')
  for size in (0, 1, 10, 1000):
    with record_writer.RecordWriter(path) as writer:
      writer.write(rng.bytes(size))
    source = RecordSource(
      (path,), feature_spec.CLASSIFIER, {'S': 8, 'C': 2}, 10
    )
    with pytest.raises(UserError, match='records, record 0'):
      source.check()
    with (
      pytest.raises(UserError, match='records, record 0'),
      source.explained(),
    ):
      source.parse(tf.constant([*record_reader.read(path)]))
