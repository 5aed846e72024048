"""Tests for labelling texts with OpenVINO, as our own model does."""

import numpy as np
import pytest
from model_threads import check_threads

pytest.importorskip('onnx')
pytest.importorskip('openvino')
pytest.importorskip('tokenizers')

from serving import openvino_model, runtimes
from system.errors import UserError

# `make slow` installs the packages.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize('kind', ['classifier', 'pairs', 'regressor'])
def test_the_logits_are_ours(export_folder, kind):
  folder, parts = export_folder('onnx', kind, temperature=2.0)
  texts = ['the film is good .', 'It is, frankly, awful!', '', 'x ' * 50]
  if kind != 'classifier':
    texts = [(text, 'a dull plot') for text in texts[:3]]
  model = runtimes.load(folder, 'openvino')
  np.testing.assert_allclose(
    model.logits(texts, batch_size=2),
    parts.text_model.logits(texts),
    rtol=0,
    atol=1e-5,
  )
  assert model.labels == parts.labels
  assert model.temperature == (1.0 if kind == 'regressor' else 2.0)


def test_threads_share_a_model(export_folder):
  folder, _ = export_folder('onnx', 'classifier')
  check_threads(runtimes.load(folder, 'openvino'))


def test_what_is_missing_or_damaged_is_named(tmp_path):
  with pytest.raises(UserError, match='model.onnx is missing'):
    openvino_model.load(str(tmp_path))
  (tmp_path / 'onnx').mkdir()
  (tmp_path / 'onnx' / 'model.onnx').write_bytes(b'x')
  (tmp_path / 'tokenizer.json').write_text('{}')
  with pytest.raises(UserError, match='OpenVINO cannot load .*model.onnx'):
    openvino_model.load(str(tmp_path))
