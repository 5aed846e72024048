"""Tests of modeling/checkpoints/exporting.py."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import exporting, location, stored_weights
from modeling.configs import BertConfig
from system import temporary_files
from system.errors import UserError

INDEX, DATA = '.index', '.data-00000-of-00001'
CONFIG = BertConfig(vocab_size=3, hidden_size=12)
WORDS = 'bert/embeddings/word_embeddings'
VALUES = {
  WORDS: np.arange(6, dtype=np.float32).reshape(3, 2),
  'bert/encoder/layer_0/output/dense/bias': np.float32([0, -1]),
  'bert/pooler/dense/bias': np.float32([7, 8]),
  'output_weights': np.full((2, 2), 0.5, np.float32),
}


@pytest.fixture
def prefix(tmp_path):
  prefix = str(tmp_path / 'bert_model.ckpt')
  exporting.write_released(prefix, VALUES)
  return prefix


def test_a_folder_like_google_s_has_its_weights_last(
  prefix, tmp_path, monkeypatch
):
  folder = tmp_path / 'folder'
  folder.mkdir()
  tokens = iter(['[PAD]', 'a', 'b'])
  made = exporting.write_folder(str(folder), VALUES, CONFIG, tokens)
  assert made == str(folder / 'bert_model.ckpt')
  assert stored_bytes(made) == stored_bytes(prefix)
  assert (folder / 'vocab.txt').read_text() == '[PAD]\na\nb\n'
  assert BertConfig.from_json_file(f'{folder}/bert_config.json') == CONFIG

  def fail(*_):
    raise UserError('the disk is full')

  other = tmp_path / 'other'
  other.mkdir()
  monkeypatch.setattr(exporting, 'write_released', fail)
  with pytest.raises(UserError, match='full'):
    exporting.write_folder(str(other), VALUES, CONFIG, ['a'])
  assert sorted(path.name for path in other.iterdir()) == [
    *('bert_config.json', 'vocab.txt')
  ]


def stored_bytes(prefix):
  return tuple(
    pathlib.Path(prefix + suffix).read_bytes() for suffix in (INDEX, DATA)
  )


def test_same_values_in_any_order_and_container_give_the_same_bytes(
  prefix, tmp_path
):
  again = str(tmp_path / 'again')
  values = dict(reversed(VALUES.items()))
  exporting.write_released(
    again, {name: tf.Variable(value) for name, value in values.items()}
  )
  assert stored_bytes(again) == stored_bytes(prefix)


def test_bytes_are_those_of_tensorflow_1_saver(prefix, tmp_path):
  saved = str(tmp_path / 'saver.ckpt')
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    for name, value in VALUES.items():
      tf.compat.v1.get_variable(name, initializer=value)
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().save(session, saved)
  assert stored_bytes(saved) == stored_bytes(prefix)


def test_tensorflow_1_saver_restores_it(prefix):
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    variables = {
      name: tf.compat.v1.get_variable(name, value.shape)
      for name, value in VALUES.items()
    }
    tf.compat.v1.train.Saver().restore(session, prefix)
    for name, value in session.run(variables).items():
      np.testing.assert_array_equal(value, VALUES[name])


def test_values_are_stored_as_float32(tmp_path):
  prefix = str(tmp_path / 'half')
  exporting.write_released(
    prefix, {'bert/x': tf.Variable([0.5, 1.5], dtype=tf.bfloat16)}
  )
  assert stored_weights.read_variables(location.locate(prefix)) == {
    'bert/x': ((2,), 'float32')
  }
  np.testing.assert_array_equal(
    tf.train.load_variable(prefix, 'bert/x'), np.float32([0.5, 1.5])
  )


def test_failed_write_leaves_the_old_checkpoint(prefix, tmp_path, monkeypatch):
  before = stored_bytes(prefix)

  def fail(**arguments):
    # A full disk: part of the data is there, then the error.
    (tmp_path / (arguments['prefix'] + '.data-00000-of-00001')).write_bytes(
      b'part'
    )
    raise tf.errors.ResourceExhaustedError(None, None, 'No space left')

  monkeypatch.setattr(tf.raw_ops, 'SaveV2', fail)
  with pytest.raises(UserError, match='cannot write .*No space left'):
    exporting.write_released(prefix, {WORDS: np.zeros(2)})
  assert stored_bytes(prefix) == before
  assert len(list(tmp_path.iterdir())) == 2  # No temporary file either.


def test_an_unwritable_folder_is_a_user_error(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(UserError, match='cannot write'):
    exporting.write_released(f'{tmp_path}/file/x', VALUES)


def test_export_writes_a_released_folder(tmp_path):
  output_dir = tmp_path / 'out'
  output_dir.mkdir()
  prefix = exporting.export(str(output_dir), 7, VALUES, CONFIG, ['[PAD]'])
  assert prefix == str(output_dir / 'model.ckpt-7')
  assert sorted(p.name for p in output_dir.iterdir()) == [
    'bert_config.json',
    'checkpoint',
    'model.ckpt-7.data-00000-of-00001',
    'model.ckpt-7.index',
    'model.json',
    'vocab.txt',
  ]
  assert (output_dir / 'checkpoint').read_text() == (
    'model_checkpoint_path: "model.ckpt-7"\n'
    'all_model_checkpoint_paths: "model.ckpt-7"\n'
  )
  assert (output_dir / 'vocab.txt').read_text() == '[PAD]\n'
  assert BertConfig.from_json_file(f'{output_dir}/bert_config.json') == CONFIG


def exported_steps(folder):
  return sorted(
    int(path.name.split('-')[1].removesuffix('.index'))
    for path in folder.glob('model.ckpt-*.index')
  )


def test_export_keeps_the_latest_checkpoints_only(tmp_path):
  for step in (8, 9, 10, 11):
    exporting.export(str(tmp_path), step, VALUES, CONFIG, keep=2)
  assert exported_steps(tmp_path) == [10, 11]
  assert len(list(tmp_path.glob('model.ckpt-*'))) == 4
  assert (tmp_path / 'checkpoint').read_text() == (
    'model_checkpoint_path: "model.ckpt-11"\n'
    'all_model_checkpoint_paths: "model.ckpt-10"\n'
    'all_model_checkpoint_paths: "model.ckpt-11"\n'
  )
  assert tf.train.latest_checkpoint(str(tmp_path)) == str(
    tmp_path / 'model.ckpt-11'
  )


@pytest.mark.parametrize('keep', [0, None])
def test_export_keeps_all_if_asked(tmp_path, keep):
  for step in range(6):
    exporting.export(str(tmp_path), step, VALUES, CONFIG, keep=keep)
  assert exported_steps(tmp_path) == list(range(6))


def test_export_never_deletes_itself_after_a_set_back(tmp_path):
  for step in (10, 20, 5):
    exporting.export(str(tmp_path), step, VALUES, CONFIG, keep=1)
  assert exported_steps(tmp_path) == [5, 20]
  assert location.locate(str(tmp_path)).prefix == str(tmp_path / 'model.ckpt-5')


def test_export_removes_files_of_killed_runs(tmp_path):
  exporting.export(str(tmp_path), 1, VALUES, CONFIG)
  (tmp_path / 'model.ckpt-1.index').unlink()  # Killed while deleting,
  unfinished = temporary_files.name_for(str(tmp_path / 'model.ckpt-2'))
  pathlib.Path(unfinished + DATA).touch()  # and while writing,
  pathlib.Path(f'{unfinished}{DATA}.tempstate12').touch()  # as TensorFlow does.
  other = pathlib.Path(
    temporary_files.name_for(str(tmp_path / 'eval.tf_record'))
  )
  other.touch()  # Another process may be writing that.
  exporting.export(str(tmp_path), 2, VALUES, CONFIG, keep=1)
  assert sorted(path.name for path in tmp_path.glob('*model.ckpt*')) == [
    f'model.ckpt-2{DATA}',
    f'model.ckpt-2{INDEX}',
  ]
  assert other.exists()


def test_export_writes_the_lines_of_the_vocabulary(tmp_path):
  exporting.export(str(tmp_path), 1, VALUES, CONFIG, ['a', '\u2028', 'b'])
  assert (tmp_path / 'vocab.txt').read_bytes() == 'a\n\u2028\nb\n'.encode()
