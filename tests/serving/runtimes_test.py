"""Tests for the choice of a runtime, and for what an export records."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

from modeling.checkpoints import export_file
from modeling.checkpoints.export_file import ExportRecord
from serving import export_folder, runtimes
from serving.model import Model
from system.errors import UserError


def _touch(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.touch()


def test_the_files_of_a_folder_choose_the_runtime(
  model_folder, export_folder, tmp_path
):
  assert runtimes.of(model_folder('pairs')) == 'tensorflow'
  assert runtimes.of(export_folder('hugging_face', 'classifier')[0]) == (
    'tensorflow'
  )
  assert runtimes.of(str(tmp_path / 'nothing')) == 'tensorflow'
  _touch(tmp_path / 'onnx/model_quantized.onnx')
  assert runtimes.of(str(tmp_path)) == 'onnx_int8'
  _touch(tmp_path / 'onnx/model.onnx')
  assert runtimes.of(str(tmp_path)) == 'onnx'


def test_weights_without_a_configuration_choose_no_runtime(teacher_world):
  folder = teacher_world / 'teacher'
  _touch(folder / 'onnx/model.onnx')
  assert runtimes.of(str(folder)) == 'tensorflow'
  (folder / 'bert_config.json').unlink()
  assert runtimes.of(str(folder)) == 'onnx'


@pytest.mark.slow
def test_a_hugging_face_export_answers_as_its_run(export_folder):
  folder, parts = export_folder('hugging_face', 'pairs', temperature=2.0)
  model = runtimes.load(folder)
  assert model.temperature == 2.0
  assert (model.takes_pairs, model.max_seq_length) == (True, 16)
  pairs = [('the film', 'good'), ('a plot ' * 20, 'dull')]
  ours = parts.text_model.logits(pairs)
  assert model.logits(pairs).tolist() == ours.tolist()


def test_any_iterable_of_texts_is_taken_but_not_one_text():
  class Lengths(Model):
    def _logits(self, texts, are_pairs, batch_size):
      return np.float32([[0, len(text)] for text in texts])

  model = Lengths(('no', 'yes'), takes_pairs=False, max_seq_length=8)
  texts = np.array(['a', 'bc'])
  assert [x.label for x in model.predict(texts)] == ['yes', 'yes']
  assert [*model.logits(x for x in texts)[:, 1]] == [1, 2]
  assert model.predict([]) == []
  with pytest.raises(UserError, match="a list of texts, received 'a film'"):
    model.predict('a film')
  of_pairs = Lengths(('no', 'yes'), takes_pairs=True, max_seq_length=8)
  with pytest.raises(UserError, match=r"pair of texts, received \('a', 'b', "):
    of_pairs.predict([('a', 'b', 'c')])


def test_missing_packages_are_named_with_their_extra(tmp_path, monkeypatch):
  _touch(tmp_path / 'onnx/model.onnx')
  _touch(tmp_path / 'tokenizer.json')
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(UserError) as error:
    runtimes.check(str(tmp_path))
  assert str(error.value) == (
    'the runtime onnx needs onnxruntime, tokenizers: '
    "pip install -c constraints.txt -e '.[onnx]'"
  )


def test_a_folder_of_exports_names_them(tmp_path):
  _touch(tmp_path / 'onnx/export.json')
  with pytest.raises(UserError, match='Name one of the exports .*/onnx$'):
    runtimes.check(str(tmp_path))


def test_what_export_json_records_is_checked(tmp_path):
  folder = str(tmp_path)
  assert export_file.read(folder) == ExportRecord(None, None, 1.0)
  path = tmp_path / 'export.json'
  values = {'takes_pairs': True, 'max_seq_length': 64, 'temperature': 1.5}
  path.write_text(json.dumps(values))
  assert export_file.read(folder) == ExportRecord(True, 64, 1.5)
  for name, wrong in (
    ('takes_pairs', 'yes'),
    ('max_seq_length', 0),
    ('temperature', -1.0),
  ):
    path.write_text(json.dumps({**values, name: wrong}))
    with pytest.raises(UserError, match=f'export.json: {name} is'):
      export_file.read(folder)
  path.write_text('[]')
  with pytest.raises(UserError, match='expected a JSON object'):
    export_file.read(folder)


@pytest.mark.parametrize(
  ('config', 'tokenizer', 'expected'),
  [
    ({}, {}, 512),
    ({'max_position_embeddings': 256}, {}, 256),
    ({'max_position_embeddings': 256}, {'model_max_length': 64}, 64),
    # transformers writes this where the tokenizer has no limit.
    ({'max_position_embeddings': 256}, {'model_max_length': 1e30}, 256),
    ({}, {'model_max_length': 1e30}, 512),
  ],
)
def test_the_longest_input_is_that_of_the_files(
  tmp_path, config, tokenizer, expected
):
  pathlib.Path(tmp_path, 'config.json').write_text(json.dumps(config))
  path = pathlib.Path(tmp_path, 'tokenizer_config.json')
  path.write_text(json.dumps(tokenizer))
  assert export_folder.longest_input(str(tmp_path)) == expected
