"""Hugging Face folders: which files have the weights, and what they hold."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy
import tiny_pytorch
from tiny_hugging_face import CONFIG, make_tensors, write_folder

from modeling.checkpoints import hugging_face, hugging_face_reader, location
from system.errors import UserError


@pytest.fixture
def folder(tmp_path):
  write_folder(tmp_path / 'hf')
  return tmp_path / 'hf'


def _read(folder):
  """Finds and reads the weights of a folder; all tensors must be used."""
  path = hugging_face_reader.find_weights(str(folder))
  weights, unused = hugging_face_reader.read_weights(path)
  assert not unused
  return weights


def _assert_read(folder):
  """Checks that a folder has the weights of `make_tensors`."""
  weights = _read(folder)
  expected, _ = hugging_face.released_weights(make_tensors())
  assert weights.keys() == expected.keys()
  for name, value in weights.items():
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize(
  ('key', 'value'),
  [
    ('hidden_act', 'silu'),
    ('model_type', 'roberta'),
    ('position_embedding_type', 'relative_key'),
    ('layer_norm_eps', 1e-5),
    ('is_decoder', True),
  ],
)
def test_unsupported_models_are_rejected(tmp_path, key, value):
  path = tmp_path / 'config.json'
  path.write_text(json.dumps(CONFIG | {key: value}))
  with pytest.raises(UserError, match=f'config.json: {key} is {value!r}'):
    hugging_face_reader.read_config(str(path))


def test_integers_are_no_weights(tmp_path):
  tensors = make_tensors()
  name = 'pooler.dense.weight'
  tensors[name] = tensors[name].astype(np.int8)
  write_folder(tmp_path / 'hf', tensors)
  message = (
    'model.safetensors: pooler.dense.weight holds .* type int8, expected'
  )
  with pytest.raises(UserError, match=message):
    _read(tmp_path / 'hf')


def test_a_file_without_weights_of_a_bert_says_what_it_holds(tmp_path):
  write_folder(tmp_path / 'hf', {'lstm.weight': np.zeros(2, np.float32)})
  with pytest.raises(UserError, match='has no weights of a BERT.* lstm.weight'):
    _read(tmp_path / 'hf')


def test_weights_of_pytorch_are_read_if_there_are_no_others(folder):
  tiny_pytorch.save(folder / 'pytorch_model.bin', make_tensors())
  assert location.locate(str(folder)).prefix == f'{folder}/model.safetensors'
  (folder / 'model.safetensors').unlink()
  assert location.locate(str(folder)).prefix == f'{folder}/pytorch_model.bin'
  _assert_read(folder)


def test_sharded_weights_are_read_by_their_index(folder):
  (folder / 'model.safetensors').unlink()
  tensors, names = make_tensors(), ('a.safetensors', 'b.safetensors')
  shard_of = {name: names[i % 2] for i, name in enumerate(tensors)}
  for shard in names:
    part = {x: value for x, value in tensors.items() if shard_of[x] == shard}
    safetensors.numpy.save_file(part, folder / shard)
  index = folder / 'model.safetensors.index.json'
  index.write_text(json.dumps({'weight_map': shard_of}))
  _assert_read(folder)
  checkpoint = location.locate(str(folder))
  assert checkpoint.prefix == str(index)
  assert checkpoint.data_files() == [str(folder / name) for name in names]
  leaving = {'weight_map': {'x': '../hf/model.safetensors'}}
  index.write_text(json.dumps(leaving))
  with pytest.raises(UserError, match='index.json names .*files in its folder'):
    _read(folder)


def test_a_missing_or_damaged_shard_is_named_when_the_model_is_looked_for(
  folder,
):
  index = folder / 'model.safetensors.index.json'
  (folder / 'model.safetensors').rename(folder / 'a.safetensors')
  shard_of = {'x': 'a.safetensors', 'y': 'b.safeten'}
  index.write_text(json.dumps({'weight_map': shard_of}))
  with pytest.raises(UserError, match=f'b.safeten cannot be found: {index}'):
    location.locate(str(folder))
  index.write_text(json.dumps({'weight_map': {'x': 'a.safetensors'}}))
  os.truncate(folder / 'a.safetensors', 2000)
  with pytest.raises(UserError, match='a.safetensors is damaged or cut short'):
    location.locate(str(folder))
  index.write_text(json.dumps({'weight_map': ['a.safetensors']}))
  with pytest.raises(UserError, match='expected the names of files'):
    location.locate(str(folder))


def test_a_bert_config_beside_a_hugging_face_model_is_not_taken(folder):
  other = CONFIG | {'hidden_act': 'relu'}
  (folder / 'bert_config.json').write_text(json.dumps(other))
  path, config = location.locate(str(folder)).config()
  assert path == str(folder / 'config.json')
  assert config.hidden_act == 'gelu_erf'
