"""Tests for labelling texts with LiteRT, as our own model does."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from model_threads import check_threads

pytest.importorskip('ai_edge_litert')
pytest.importorskip('tokenizers')

from serving import litert_model, runtimes
from system.errors import UserError

# `make slow` installs the packages.
pytestmark = pytest.mark.slow


def test_inputs_are_padded_to_the_length():
  features = {
    'input_ids': np.array([[5, 6]]),
    'attention_mask': np.array([[1, 1]]),
    'token_type_ids': np.array([[0, 1]]),
  }
  found = litert_model.padded(features, 4, pad_id=9)
  assert {name: row.tolist() for name, row in found.items()} == {
    'input_ids': [[5, 6, 9, 9]],
    'input_mask': [[1, 1, 0, 0]],
    'input_type_ids': [[0, 1, 0, 0]],
  }
  assert {row.dtype for row in found.values()} == {np.dtype(np.int32)}


def test_what_is_missing_or_damaged_is_named(tmp_path):
  folder = str(tmp_path)
  with pytest.raises(UserError, match='model.tflite is missing.*writes it$'):
    litert_model.load(folder)
  message = 'model_static.tflite is missing.*with `--quantize=static`'
  with pytest.raises(UserError, match=message):
    litert_model.load(folder, 'static')
  (tmp_path / 'model.tflite').write_bytes(b'x')
  with pytest.raises(UserError, match='tokenizer.json is missing'):
    litert_model.load(folder)
  (tmp_path / 'tokenizer.json').write_text('{}')
  with pytest.raises(UserError, match='model.tflite is not a LiteRT model'):
    litert_model.load(folder)


def test_threads_share_a_model(export_folder):
  folder, _ = export_folder('litert', 'classifier')
  check_threads(litert_model.load(folder))


def test_the_files_of_a_folder_choose_the_model(tmp_path):
  (tmp_path / 'model_static.tflite').touch()
  assert runtimes.of(str(tmp_path)) == 'litert_static'
  (tmp_path / 'model_float16.tflite').touch()
  assert runtimes.of(str(tmp_path)) == 'litert_float16'
  (tmp_path / 'model.tflite').touch()
  assert runtimes.of(str(tmp_path)) == 'litert'


@pytest.mark.slow
def test_the_tool_labels_without_tensorflow(export_folder):
  folder, parts = export_folder('litert', 'classifier', temperature=2.0)
  code = (
    'import sys; from tools import predict; from cli import script;'
    'predict.define_flags()\n'
    'try: script.run(predict.main)\n'
    'finally: print([x for x in ("tensorflow", "tf_keras", "transformers", '
    '"torch", "onnxruntime") if x in sys.modules])'
  )
  done = subprocess.run(
    [sys.executable, '-c', code, f'--model_dir={folder}', '--format=jsonl'],
    input='nice\na dull plot\n',
    capture_output=True,
    text=True,
  )
  *lines, modules = done.stdout.splitlines()
  assert modules == '[]'
  found = [json.loads(line) for line in lines]
  ours = parts.text_model.predict(['nice', 'a dull plot'])
  assert [x['label'] for x in found] == [x.label for x in ours]
  # The recorded temperature divides the logits.
  logits = parts.text_model.logits(['nice']).astype(np.float64)[0] / 2
  powers = np.exp(logits - logits.max())
  np.testing.assert_allclose(
    list(litert_model.load(folder).predict(['nice'])[0].probabilities.values()),
    powers / powers.sum(),
    rtol=1e-5,
  )
  # A model with other inputs is refused.
  pathlib.Path(folder, 'config.json').write_text('{}')
  pathlib.Path(folder, 'export.json').unlink()
  with pytest.raises(UserError, match='does not name the 3 labels'):
    litert_model.load(folder)
