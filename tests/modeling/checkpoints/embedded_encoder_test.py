"""The embedded encoder, and how a small one is unpacked."""

import hashlib
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import tensorflow as tf

from modeling import configs
from modeling.checkpoints import embedded_encoder, hugging_face_reader, location
from system.errors import UserError

EMBEDDED = pathlib.Path(embedded_encoder.FOLDER)


def _sum(path):
  return hashlib.sha256(path.read_bytes()).hexdigest()


def _record(folder, vocab_file):
  """Writes SHA256SUMS."""
  names = ('config.json', 'model.safetensors')
  paths = [*(folder / name for name in names), vocab_file]
  lines = [f'{_sum(path)}  {path.name}\n' for path in paths]
  (folder / 'SHA256SUMS').write_text(''.join(lines))


@pytest.fixture
def encoder(tmp_path):
  """A folder of an encoder with H=4, V=5, and its vocabulary."""
  folder = tmp_path / 'encoder'
  folder.mkdir()
  config = {'vocab_size': 5, 'hidden_size': 4, 'num_hidden_layers': 1}
  config |= {'num_attention_heads': 2, 'hidden_act': 'gelu_new'}
  (folder / 'config.json').write_text(json.dumps(config))
  tensors = {
    'bert.embeddings.word_embeddings.weight': np.full((5, 4), 0.1, np.float16),
    'bert.pooler.dense.weight': np.arange(16, dtype=np.float16).reshape(4, 4),
  }
  safetensors.numpy.save_file(tensors, folder / 'model.safetensors')
  vocab_file = tmp_path / 'vocab.txt'
  vocab_file.write_text('[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n')
  _record(folder, vocab_file)
  return folder


def _unpack(folder):
  output = folder.parent / 'out'
  embedded_encoder.unpack(
    str(folder), str(folder.parent / 'vocab.txt'), str(output)
  )
  return output


def test_unpacked_folder_is_a_released_checkpoint(encoder):
  output = _unpack(encoder)
  checkpoint = location.locate(str(output))
  assert checkpoint.prefix == f'{output}/bert_model.ckpt'
  assert checkpoint.config()[1].hidden_act == 'gelu'
  assert checkpoint.casing()[1] is True
  assert (output / 'vocab.txt').read_text().split()[4] == '[MASK]'
  reader = tf.train.load_checkpoint(checkpoint.prefix)
  words = reader.get_tensor('bert/embeddings/word_embeddings')
  assert words.dtype == np.float32
  assert words[4, 3] == np.float32(np.float16(0.1))
  # Hugging Face's kernels are transposed.
  kernel = reader.get_tensor('bert/pooler/dense/kernel')
  assert kernel[0].tolist() == [0, 4, 8, 12]


def test_the_folder_of_another_checkpoint_is_refused(encoder):
  output = encoder.parent / 'out'
  output.mkdir()
  for name in ('model.ckpt-9.index', 'model.ckpt-9.data-00000-of-00001'):
    (output / name).write_text('weights')
  (output / 'vocab.txt').write_text('others\n')
  with pytest.raises(UserError, match='output_dir.*another .*out/model.ckpt-9'):
    _unpack(encoder)
  assert (output / 'vocab.txt').read_text() == 'others\n'
  assert not (output / 'bert_config.json').exists()


def test_an_encoder_is_unpacked_again(encoder):
  before = (_unpack(encoder) / 'bert_model.ckpt.index').read_bytes()
  assert (_unpack(encoder) / 'bert_model.ckpt.index').read_bytes() == before


@pytest.mark.parametrize('name', ['config.json', 'model.safetensors'])
def test_a_damaged_file_is_refused(encoder, name):
  content = bytearray((encoder / name).read_bytes())
  content[-1] ^= 1
  (encoder / name).write_bytes(content)
  with pytest.raises(UserError, match=f'{name} is damaged.*SHA-256'):
    _unpack(encoder)
  assert not (encoder.parent / 'out').exists()


def test_another_vocabulary_is_refused(encoder):
  (encoder.parent / 'vocab.txt').write_text('[PAD]\n')
  with pytest.raises(UserError, match="not the encoder's vocabulary"):
    _unpack(encoder)
  assert not (encoder.parent / 'out').exists()


def test_a_missing_or_malformed_file_is_named(encoder):
  (encoder / 'SHA256SUMS').write_text('abc config.json\n')
  with pytest.raises(UserError, match='SHA256SUMS, line 1: expected a SHA-256'):
    _unpack(encoder)
  (encoder / 'model.safetensors').unlink()
  (encoder / 'SHA256SUMS').write_text(
    f'{_sum(encoder / "config.json")}  config.json\n'
  )
  with pytest.raises(UserError, match='safetensors of the encoder'):
    _unpack(encoder)


def test_the_embedded_encoder_is_bert_tiny_in_float16():
  sums = embedded_encoder._read_sums(str(EMBEDDED / 'SHA256SUMS'))
  for name in ('config.json', 'model.safetensors'):
    assert _sum(EMBEDDED / name) == sums[name]
  config = hugging_face_reader.read_config(str(EMBEDDED / 'config.json'))
  tiny = configs.compact_config('tiny', config.vocab_size)
  assert config.hidden_act == tiny.hidden_act
  path = str(EMBEDDED / 'model.safetensors')
  with safetensors.safe_open(path, 'numpy') as file:
    shapes = {
      name: file.get_slice(name).get_shape() for name in file.offset_keys()
    }
    assert {file.get_slice(name).get_dtype() for name in shapes} == {'F16'}
  heads = {n: s for n, s in shapes.items() if n.startswith('cls.')}
  encoder = [math.prod(s) for n, s in shapes.items() if n not in heads]
  assert sum(encoder) == configs.count_parameters(tiny)
  assert heads['cls.seq_relationship.weight'] == [2, 128]


def test_its_vocabulary_is_recognised(shared_data):
  vocab_file = shared_data / 'vocab' / 'uncased_vocab.txt'
  tokens = vocab_file.read_text(encoding='utf-8').splitlines()
  assert embedded_encoder.has_vocabulary(tokens)
  assert not embedded_encoder.has_vocabulary([*tokens[1:], tokens[0]])


def test_its_path_is_short_in_the_projects_folder(tmp_path, monkeypatch):
  assert embedded_encoder.path() == 'encoders/uncased_L-2_H-128_A-2'
  monkeypatch.chdir(tmp_path)
  assert embedded_encoder.path() == str(EMBEDDED)


@pytest.mark.slow
def test_script_refuses_another_vocabulary(tmp_path):
  (tmp_path / 'vocab.txt').write_text('[PAD]\n')
  done = subprocess.run(
    [
      *[sys.executable, '-m', 'tools.unpack_encoder'],
      *[f'--vocab_file={tmp_path}/vocab.txt', f'--output_dir={tmp_path}/out'],
    ],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert "not the encoder's vocabulary" in done.stderr
