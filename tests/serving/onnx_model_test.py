"""Tests for labelling texts with ONNX Runtime, as our own model does."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
pytest.importorskip('tokenizers')

from serving import onnx_model, text_model
from system.errors import UserError

# `make slow` installs the packages.
pytestmark = pytest.mark.slow

_TEXTS = ['the film is good . ' * 9, 'a dull plot', '', 'THE FILM !', 'nice']
_PAIRS = [('the film', 'a plot is bad'), ('dull', 'nice'), ('', 'x')]


def _differences(ours, theirs):
  return np.abs(
    [
      list(a.probabilities.values() or [a.value])
      - np.array(list(b.probabilities.values() or [b.value]))
      for a, b in zip(ours, theirs, strict=True)
    ]
  )


@pytest.mark.parametrize('kind', ['classifier', 'pairs', 'regressor'])
def test_predictions_are_those_of_the_run(export_folder, kind):
  folder, parts = export_folder('onnx', kind)
  texts = _TEXTS if kind == 'classifier' else _PAIRS
  model = onnx_model.load(folder)
  ours = text_model.load(parts.checkpoint.prefix).predict(texts)
  theirs = model.predict(texts, 2)
  assert [x.label for x in theirs] == [x.label for x in ours]
  assert [x.probabilities.keys() for x in theirs] == [
    x.probabilities.keys() for x in ours
  ]
  assert _differences(ours, theirs).max() < 1e-5
  assert model.takes_pairs is (kind != 'classifier')
  assert model.max_seq_length == 16


def test_logits_are_divided_by_the_recorded_temperature(export_folder):
  folder, _ = export_folder('onnx', 'classifier', temperature=2.0)
  model = onnx_model.load(folder)
  powers = np.exp(model.logits(['nice']).astype(np.float64)[0] / 2)
  (found,) = model.predict(['nice'])
  np.testing.assert_allclose(
    list(found.probabilities.values()), powers / powers.sum(), rtol=1e-12
  )


def test_no_text_gives_no_prediction_and_a_pair_is_refused(export_folder):
  model = onnx_model.load(export_folder('onnx', 'classifier')[0])
  assert model.predict([]) == []
  with pytest.raises(UserError, match='expected one text, received'):
    model.predict([('a', 'b')])


def test_without_export_json_the_tokenizer_says_where_to_cut(export_folder):
  folder, _ = export_folder('onnx', 'classifier')
  os.remove(os.path.join(folder, 'export.json'))
  model = onnx_model.load(folder)
  assert (model.max_seq_length, model.takes_pairs) == (16, None)
  assert len(model.predict([('a', 'b')])) == 1


def test_labels_may_be_those_that_transformers_gives(export_folder):
  folder, _ = export_folder('onnx', 'classifier')
  labels = ['LABEL_0', 'LABEL_1', 'LABEL_2']
  for name, key, value in (
    ('config.json', 'id2label', dict(enumerate(labels))),
    ('export.json', 'labels', labels),
  ):
    path = pathlib.Path(folder, name)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
  assert onnx_model.load(folder).labels == tuple(labels)


def test_what_is_missing_or_damaged_is_named(export_folder):
  folder, _ = export_folder('onnx', 'classifier')
  with pytest.raises(UserError, match='model_quantized.onnx is missing'):
    onnx_model.load(folder, 'dynamic')
  record = pathlib.Path(folder, 'export.json')
  record.write_text('{"labels": ["a", "b"]}')
  with pytest.raises(UserError, match='3 outputs, but .*export.json names 2 l'):
    onnx_model.load(folder)
  record.unlink()
  path = pathlib.Path(folder, 'config.json')
  config = json.loads(path.read_text())
  path.write_text(json.dumps({**config, 'id2label': {'0': 'a', '1': 'b'}}))
  with pytest.raises(UserError, match='3 outputs, but .*config.json names 2 l'):
    onnx_model.load(folder)
  del config['id2label'], config['architectures']
  path.write_text(json.dumps(config))
  with pytest.raises(UserError, match='does not name the 3 labels'):
    onnx_model.load(folder)
  pathlib.Path(folder, 'tokenizer.json').write_text('{}')
  with pytest.raises(UserError, match='tokenizer.json is damaged'):
    onnx_model.load(folder)
  pathlib.Path(folder, 'onnx/model.onnx').write_bytes(b'x')
  with pytest.raises(UserError, match='model.onnx is not an ONNX model'):
    onnx_model.load(folder)


def test_a_model_without_a_head_for_a_task_is_refused(export_folder):
  folder, _ = export_folder('onnx', 'pretraining')
  with pytest.raises(UserError, match='no head for a task: its outputs are'):
    onnx_model.load(folder)


@pytest.mark.slow
def test_the_tool_labels_without_tensorflow_and_transformers(export_folder):
  folder, parts = export_folder('onnx', 'classifier')
  code = (
    'import sys; from tools import predict; from cli import script;'
    'predict.define_flags()\n'
    'try: script.run(predict.main)\n'
    'finally: print([x for x in ("tensorflow", "tf_keras", "transformers", '
    '"torch", "scipy", "onnx") if x in sys.modules])'
  )
  done = subprocess.run(
    [sys.executable, '-c', code, f'--model_dir={folder}'],
    input='nice\na dull plot\n',
    capture_output=True,
    text=True,
  )
  *lines, modules = done.stdout.splitlines()
  ours = parts.text_model.predict(['nice', 'a dull plot'])
  assert [line.split('\t')[0] for line in lines] == [x.label for x in ours]
  assert [line.split('\t')[2] for line in lines] == ['nice', 'a dull plot']
  assert modules == '[]'
  assert done.stderr == ''
