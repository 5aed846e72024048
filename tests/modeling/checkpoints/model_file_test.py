"""Tests for model.json: round trips, contradictions, damage."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import exporting, loading, location, model_file
from modeling.checkpoints.model_file import ModelFile, TaskRecord
from modeling.configs import BertConfig
from system.errors import UserError

_TASK = TaskRecord('custom', ('bad', 'good'), is_pair=False)
_CONTENT = ModelFile(_TASK, False, 64)
_CONFIG = BertConfig(
  vocab_size=3,
  hidden_size=4,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=8,
  max_position_embeddings=64,
)


def _export(folder, step=1, keep=None, value=1.0, content=_CONTENT):
  folder.mkdir(exist_ok=True)
  variables = {'output_bias': np.array([value, 2], np.float32)}
  prefix = exporting.export(
    str(folder), step, variables, _CONFIG, ['[PAD]', 'a', 'b'], keep, content
  )
  (folder / 'labels.txt').write_text('bad\ngood\n')
  return prefix


def test_an_export_records_its_task_and_the_checksum_of_each_file(tmp_path):
  folder = tmp_path / 'model'
  _export(folder)
  found = model_file.read(str(folder))
  names = ['bert_config.json', 'model.ckpt-1.data-00000-of-00001']
  names += ['model.ckpt-1.index', 'vocab.txt']
  assert dataclasses.replace(found, checksums={}) == _CONTENT
  assert found.checksums == {
    name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
    for name in names
  }


def test_kept_checkpoints_stay_recorded_and_removed_ones_do_not(tmp_path):
  folder = tmp_path / 'model'
  for step in (1, 2, 3):
    _export(folder, step, keep=2)
  steps = [
    name
    for name in model_file.read(str(folder)).checksums
    if name.endswith('.index')
  ]
  assert steps == ['model.ckpt-2.index', 'model.ckpt-3.index']


def test_a_damaged_file_does_not_stop_the_next_export(tmp_path, caplog):
  folder = tmp_path / 'model'
  _export(folder)
  (folder / 'model.json').write_text('')
  _export(folder, 2)
  assert 'Writing the file again: ' in caplog.text
  checksums = model_file.read(str(folder)).checksums
  assert 'model.ckpt-2.index' in checksums
  assert 'model.ckpt-1.index' not in checksums


def test_a_copied_folder_is_the_same_model(tmp_path):
  _export(tmp_path / 'model')
  (tmp_path / 'model').rename(tmp_path / 'copy')
  checkpoint = location.locate(str(tmp_path / 'copy'))
  checkpoint.check_checksums()
  assert checkpoint.model_json().task == _TASK
  path = str(tmp_path / 'copy' / 'model.json')
  assert checkpoint.casing() == (path, False)


def test_weights_of_another_model_are_refused(tmp_path):
  _export(tmp_path / 'model')
  _export(tmp_path / 'other', value=5.0)
  for path in (tmp_path / 'other').glob('model.ckpt-1.*'):
    path.replace(tmp_path / 'model' / path.name)
  checkpoint = location.locate(str(tmp_path / 'model'))
  with pytest.raises(UserError, match=r'model\.ckpt-1.*another model'):
    checkpoint.check_checksums()


@pytest.mark.parametrize('name', ['vocab.txt', 'bert_config.json'])
def test_another_vocabulary_or_configuration_is_refused(tmp_path, name):
  _export(tmp_path / 'model')
  path = tmp_path / 'model' / name
  path.write_text(path.read_text() + '\n')
  checkpoint = location.locate(str(tmp_path / 'model'))
  with pytest.raises(UserError, match=f'{name} is damaged or belongs'):
    checkpoint.check_checksums()


def test_nothing_is_loaded_from_changed_files(tmp_path):
  _export(tmp_path / 'model')
  with open(tmp_path / 'model' / 'vocab.txt', 'a') as file:
    file.write('c\n')
  bias = tf.Variable([0.0, 0.0])
  with pytest.raises(UserError, match=r'vocab\.txt is damaged or belongs'):
    loading.load_released(
      location.locate(str(tmp_path / 'model')), {'output_bias': bias}
    )
  assert bias.numpy().tolist() == [0.0, 0.0]


def test_other_labels_are_refused(tmp_path):
  _export(tmp_path / 'model')
  labels = tmp_path / 'model' / 'labels.txt'
  labels.write_text(f'{labels.read_text()}\n')  # An editor's blank last line.
  location.locate(str(tmp_path / 'model'))
  (tmp_path / 'model' / 'labels.txt').write_text('good\nbad\n')
  with pytest.raises(UserError, match="labels 'good, bad'.*'bad, good'"):
    location.locate(str(tmp_path / 'model'))


def test_another_casing_is_refused(tmp_path):
  _export(tmp_path / 'model')
  path = tmp_path / 'model' / 'tokenizer_config.json'
  path.write_text('{"do_lower_case": true}')
  with pytest.raises(
    UserError, match=r'says do_lower_case False, .* says True'
  ):
    location.locate(str(tmp_path / 'model'))


def test_a_temperature_is_added_and_a_new_export_drops_it(tmp_path):
  folder = tmp_path / 'model'
  _export(folder)
  model_file.write_temperature(str(folder), 1.5)
  assert model_file.read(str(folder)).temperature == 1.5
  location.locate(str(folder)).check_checksums()
  _export(folder, step=2)
  assert model_file.read(str(folder)).temperature is None


def test_a_folder_without_the_file_cannot_be_calibrated(tmp_path):
  with pytest.raises(UserError, match='the model to calibrate'):
    model_file.write_temperature(str(tmp_path), 1.5)


def test_a_folder_without_the_file_says_nothing(tmp_path):
  assert model_file.read(str(tmp_path)) is None


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ([], 'expected a JSON object'),
    ({'do_lower_case': 'yes'}, "do_lower_case is 'yes', expected true"),
    ({'max_seq_length': True}, 'max_seq_length is True, expected a whole'),
    ({'max_seq_length': 0}, 'max_seq_length is 0, expected 1 or more'),
    ({'temperature': 0}, 'temperature is 0, expected one above 0'),
    ({'files': {'a': 3}}, 'a is 3, expected a text'),
    ({'files': {'../a': 'b'}}, r"'\.\./a', expected a file name"),
    ({'task': {'name': 'x', 'labels': ['a', 'a']}}, 'expected different ones'),
    ({'task': {'name': 'x', 'labels': ['a']}}, 'expected different ones'),
    ({'task': {'name': 'x', 'labels': [1, 2]}}, 'expected texts'),
    ({'task': []}, 'expected an object'),
  ],
)
def test_a_malformed_file_is_named_with_its_key(tmp_path, values, message):
  path = tmp_path / 'model.json'
  path.write_text(json.dumps(values))
  with pytest.raises(UserError, match=message) as caught:
    model_file.read(str(tmp_path))
  assert str(path) in str(caught.value)
