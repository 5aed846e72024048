"""Tests of modeling/checkpoints/loading.py."""

import gzip
import hashlib
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import exporting, loading, location
from modeling.checkpoints.initialisation import POSITIONS
from modeling.configs import BertConfig
from system import temporary_files
from system.errors import UserError

INDEX, DATA = '.index', '.data-00000-of-00001'
CONFIG = BertConfig(vocab_size=3, hidden_size=12)
WORDS = 'bert/embeddings/word_embeddings'


def make_values(num_labels=2):
  """Returns a tiny model's values: two layers, a pooler's bias, a head."""
  values = {
    WORDS: np.arange(6, dtype=np.float32).reshape(3, 2),
    'bert/pooler/dense/bias': np.float32([7.0, 8.0]),
    'output_weights': np.full((num_labels, 2), 0.5, np.float32),
  }
  for layer in range(2):
    values[f'bert/encoder/layer_{layer}/output/dense/bias'] = np.float32(
      [layer, -1.0]
    )
  return values


def make_variables(num_labels=2):
  """Returns variables of the same names and shapes, all -9."""
  return {
    name: tf.Variable(np.full_like(value, -9.0))
    for name, value in make_values(num_labels).items()
  }


def assert_untouched(variables):
  for name, variable in variables.items():
    assert np.all(variable.numpy() == -9.0), name


@pytest.fixture
def prefix(tmp_path):
  prefix = str(tmp_path / 'bert_model.ckpt')
  exporting.write_released(prefix, make_values())
  return prefix


def stored_bytes(prefix):
  return tuple(
    pathlib.Path(prefix + suffix).read_bytes() for suffix in (INDEX, DATA)
  )


def test_what_is_written_is_loaded_again(prefix):
  variables = make_variables()
  report = loading.load_released(prefix, variables)
  for name, value in make_values().items():
    np.testing.assert_array_equal(variables[name].numpy(), value)
  assert report.loaded == sorted(make_values())
  assert not (report.missing or report.unused or report.mismatched)


def test_same_values_in_any_order_and_container_give_the_same_bytes(
  prefix, tmp_path
):
  again = str(tmp_path / 'again')
  values = dict(reversed(make_values().items()))
  exporting.write_released(
    again, {name: tf.Variable(value) for name, value in values.items()}
  )
  assert stored_bytes(again) == stored_bytes(prefix)


def test_bytes_are_those_of_tensorflow_1_saver(prefix, tmp_path):
  saved = str(tmp_path / 'saver.ckpt')
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    for name, value in make_values().items():
      tf.compat.v1.get_variable(name, initializer=value)
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().save(session, saved)
  assert stored_bytes(saved) == stored_bytes(prefix)


def test_tensorflow_1_saver_restores_it(prefix):
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    variables = {
      name: tf.compat.v1.get_variable(name, value.shape)
      for name, value in make_values().items()
    }
    tf.compat.v1.train.Saver().restore(session, prefix)
    for name, value in session.run(variables).items():
      np.testing.assert_array_equal(value, make_values()[name])


def test_values_are_stored_as_float32(tmp_path):
  prefix = str(tmp_path / 'half')
  exporting.write_released(
    prefix, {'bert/x': tf.Variable([0.5, 1.5], dtype=tf.bfloat16)}
  )
  assert loading.read_variables(prefix) == {'bert/x': ((2,), 'float32')}
  np.testing.assert_array_equal(
    tf.train.load_variable(prefix, 'bert/x'), np.float32([0.5, 1.5])
  )


def test_mirrored_variables_are_written_and_loaded(prefix, tmp_path):
  again = str(tmp_path / 'mirrored')
  strategy = tf.distribute.MirroredStrategy(['CPU:0'])
  with strategy.scope():
    variables = make_variables()
  loading.load_released(prefix, variables)
  exporting.write_released(again, variables)
  assert stored_bytes(again) == stored_bytes(prefix)


def test_in_memory_file_system_works():
  prefix = 'ram://checkpoints_test/bert_model.ckpt'
  exporting.write_released(prefix, make_values())
  variables = make_variables()
  loading.load_released('ram://checkpoints_test', variables)
  np.testing.assert_array_equal(variables[WORDS].numpy(), make_values()[WORDS])


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


def test_unwritable_place_is_a_user_error(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(UserError, match='cannot write'):
    exporting.write_released(f'{tmp_path}/file/x', make_values())


def test_training_state_is_not_listed(tmp_path):
  prefix = str(tmp_path / 'trained')
  values = make_values()
  values[WORDS + '/adam_m'] = values[WORDS]
  values[WORDS + '/adam_v'] = values[WORDS]
  values['global_step'] = np.float32(3)
  exporting.write_released(prefix, values)
  assert loading.read_variables(prefix) == {
    name: (value.shape, 'float32') for name, value in make_values().items()
  }
  assert not loading.load_released(prefix, make_variables()).unused


def test_fixture_of_the_original_code_is_read(fixtures_dir):
  listed = loading.read_variables(
    location.resolve(str(fixtures_dir / 'reference_bert'))
  )
  assert len(listed) == 46
  assert listed[WORDS] == ((1000, 128), 'float32')


def test_export_writes_a_released_folder(tmp_path):
  vocab_file = tmp_path / 'somewhere.txt'
  vocab_file.write_text('[PAD]\n')
  output_dir = tmp_path / 'out'
  output_dir.mkdir()
  prefix = exporting.export(
    str(output_dir), 7, make_values(), CONFIG, str(vocab_file)
  )
  assert prefix == str(output_dir / 'model.ckpt-7')
  assert sorted(p.name for p in output_dir.iterdir()) == [
    'bert_config.json',
    'checkpoint',
    'model.ckpt-7.data-00000-of-00001',
    'model.ckpt-7.index',
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
    exporting.export(str(tmp_path), step, make_values(), CONFIG, keep=2)
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
def test_export_keeps_all_where_asked(tmp_path, keep):
  for step in range(6):
    exporting.export(str(tmp_path), step, make_values(), CONFIG, keep=keep)
  assert exported_steps(tmp_path) == list(range(6))


def test_export_never_deletes_itself_after_a_set_back(tmp_path):
  for step in (10, 20, 5):
    exporting.export(str(tmp_path), step, make_values(), CONFIG, keep=1)
  assert exported_steps(tmp_path) == [5, 20]
  assert location.resolve(str(tmp_path)) == str(tmp_path / 'model.ckpt-5')


def test_export_removes_what_killed_runs_left(tmp_path):
  exporting.export(str(tmp_path), 1, make_values(), CONFIG)
  (tmp_path / 'model.ckpt-1.index').unlink()  # Killed while deleting,
  unfinished = temporary_files.name_for(str(tmp_path / 'model.ckpt-2'))
  pathlib.Path(unfinished + DATA).touch()  # and while writing,
  pathlib.Path(f'{unfinished}{DATA}.tempstate12').touch()  # as TensorFlow does.
  other = pathlib.Path(
    temporary_files.name_for(str(tmp_path / 'eval.tf_record'))
  )
  other.touch()  # Another process may be writing that.
  exporting.export(str(tmp_path), 2, make_values(), CONFIG, keep=1)
  assert sorted(path.name for path in tmp_path.glob('*model*')) == [
    f'model.ckpt-2{DATA}',
    f'model.ckpt-2{INDEX}',
  ]
  assert other.exists()


def test_export_unpacks_the_vocabulary(tmp_path):
  text = 'a\n\u2028\nb\n'
  vocab_file = tmp_path / 'vocab.txt.gz'
  vocab_file.write_bytes(gzip.compress(text.encode()))
  exporting.export(str(tmp_path), 1, make_values(), CONFIG, str(vocab_file))
  assert (tmp_path / 'vocab.txt').read_bytes() == text.encode()


@pytest.mark.parametrize('suffix', ['', '.index', '.data-00000-of-00001'])
def test_prefix_and_file_names_are_resolved(prefix, suffix):
  assert location.resolve(prefix + suffix) == prefix


def test_folder_resolves_to_the_released_name(prefix, tmp_path):
  exporting.write_released(str(tmp_path / 'other'), make_values())
  assert location.resolve(str(tmp_path)) == prefix


def test_folder_resolves_to_its_only_checkpoint(tmp_path):
  only = str(tmp_path / 'only')
  exporting.write_released(only, make_values())
  assert location.resolve(str(tmp_path) + '/') == only


def test_folder_that_was_moved_resolves(tmp_path):
  before, after = tmp_path / 'before', tmp_path / 'after'
  before.mkdir()
  exporting.write_released(str(before / 'm-1'), make_values())
  exporting.write_released(str(before / 'm-2'), make_values())
  (before / 'checkpoint').write_text(f'model_checkpoint_path: "{before}/m-2"\n')
  shutil.move(before, after)
  assert location.resolve(str(after)) == str(after / 'm-2')


def test_empty_path_is_told():
  with pytest.raises(UserError, match='empty path'):
    location.resolve('')


def test_wrong_prefix_is_told_with_its_neighbours(prefix, tmp_path):
  wrong = str(tmp_path / 'bert_modle.ckpt')
  with pytest.raises(UserError) as error:
    location.resolve(wrong)
  for part in (repr(wrong), wrong + '.index', 'there are: bert_model.ckpt'):
    assert part in str(error.value)


@pytest.mark.parametrize(
  ('path', 'message'),
  [
    ('', 'looked for .*checkpoint.*bert_model.ckpt.index'),
    ('nowhere/x', "there is no folder '.*nowhere'"),
  ],
)
def test_empty_and_missing_folders_are_told(tmp_path, path, message):
  with pytest.raises(UserError, match=message):
    location.resolve(str(tmp_path / path))


def test_folder_with_several_is_ambiguous(tmp_path):
  for name in ('a', 'b'):
    exporting.write_released(str(tmp_path / name), make_values())
  with pytest.raises(UserError, match='there are: [ab]; [ab]'):
    location.resolve(str(tmp_path))


def write_without(prefix, *names):
  values = make_values()
  for name in names:
    del values[name]
  exporting.write_released(prefix, values)


def test_missing_encoder_variable_is_an_error(tmp_path):
  prefix = str(tmp_path / 'x')
  write_without(prefix, 'bert/pooler/dense/bias')
  variables = make_variables()
  with pytest.raises(UserError, match='lacks.*: bert/pooler/dense/bias'):
    loading.load_released(prefix, variables)
  assert_untouched(variables)


def test_missing_head_is_fresh_and_said(tmp_path):
  prefix = str(tmp_path / 'x')
  write_without(prefix, 'output_weights')
  variables = make_variables()
  report = loading.load_released(prefix, variables)
  assert report.missing == ['output_weights']
  assert np.all(variables['output_weights'].numpy() == -9.0)


def test_unused_variables_are_named(prefix):
  variables = make_variables()
  del variables['output_weights']
  report = loading.load_released(prefix, variables)
  assert report.unused == ['output_weights']


def test_head_of_another_task_is_fresh_and_said(prefix):
  variables = make_variables(num_labels=3)
  report = loading.load_released(prefix, variables)
  assert report.mismatched == {'output_weights': ((2, 2), (3, 2))}
  assert np.all(variables['output_weights'].numpy() == -9.0)
  np.testing.assert_array_equal(variables[WORDS].numpy(), make_values()[WORDS])


def test_head_of_another_shape_can_be_refused(prefix):
  variables = make_variables(num_labels=3)
  with pytest.raises(UserError, match='output_weights is \\[2, 2\\] in the'):
    loading.load_released(prefix, variables, allow_mismatch=lambda name: False)
  assert_untouched(variables)


def test_vocabulary_of_another_size_is_an_error(prefix):
  variables = make_variables()
  variables[WORDS] = tf.Variable(tf.fill([4, 2], -9.0))
  with pytest.raises(UserError) as error:
    loading.load_released(prefix, variables)
  assert f'{WORDS} is [3, 2] in the checkpoint, [4, 2] in the model' in str(
    error.value
  )
  assert_untouched(variables)


@pytest.mark.parametrize('position', [0, 40, -60, -1])
def test_damaged_index_is_a_user_error(prefix, position):
  content = bytearray(stored_bytes(prefix)[0])
  content[position] ^= 1
  pathlib.Path(prefix + INDEX).write_bytes(content)
  variables = make_variables()
  with pytest.raises(
    UserError, match=r'bert_model\.ckpt\.index cannot be read'
  ):
    loading.load_released(prefix, variables)
  assert_untouched(variables)


@pytest.mark.parametrize(
  'damage',
  [
    lambda content: b'',
    lambda content: content[:-1],
    lambda content: bytes([content[0] ^ 1]) + content[1:],
  ],
)
def test_damaged_data_is_a_user_error(prefix, damage):
  content = damage(stored_bytes(prefix)[1])
  pathlib.Path(prefix + DATA).write_bytes(content)
  variables = make_variables()
  with pytest.raises(UserError, match=r'ckpt\.data-00000-of-00001 cannot'):
    loading.load_released(prefix, variables)
  assert_untouched(variables)


def test_the_checksum_is_of_all_data_files_in_their_order(prefix, tmp_path):
  data = stored_bytes(prefix)[1]
  assert location.checksum(prefix) == hashlib.sha256(data).hexdigest()
  for name in 'ab':
    with tf.device('CPU:0'):
      tf.raw_ops.SaveV2(
        prefix=str(tmp_path / name),
        tensor_names=[name],
        shape_and_slices=[''],
        tensors=[tf.fill([2], float(ord(name)))],
      )
  sharded = str(tmp_path / 'sharded')
  tf.raw_ops.MergeV2Checkpoints(
    checkpoint_prefixes=[str(tmp_path / name) for name in 'ab'],
    destination_prefix=sharded,
  )
  # Its own name goes on where that of another checkpoint ends.
  (tmp_path / 'sharded-1.data-00000-of-00001').write_text('other')
  parts = [
    pathlib.Path(f'{sharded}.data-0000{i}-of-00002').read_bytes()
    for i in range(2)
  ]
  assert all(parts)
  expected = hashlib.sha256(b''.join(parts)).hexdigest()
  assert location.checksum(sharded) == expected
  variables = {'b': tf.Variable([0.0, 0.0])}
  loading.load_released(sharded, variables)
  assert variables['b'].numpy().tolist() == [98.0, 98.0]


def test_missing_data_file_is_a_user_error(prefix, tmp_path):
  (tmp_path / 'bert_model.ckpt.data-00000-of-00001').unlink()
  with pytest.raises(UserError, match=r'data-00000-of-00001 cannot'):
    loading.load_released(prefix, make_variables())
  with pytest.raises(UserError, match='nor any other data file of'):
    location.checksum(prefix)


def deeper(folder, num_layers=4, width=2):
  """Writes a checkpoint whose layer i has the bias [i, i, ...]."""
  values = {
    WORDS: np.arange(3 * width, dtype=np.float32).reshape(3, width),
    'bert/pooler/dense/bias': np.float32([7.0, 8.0]),
  }
  for layer in range(num_layers):
    name = f'bert/encoder/layer_{layer}/output/dense/bias'
    values[name] = np.full([2], layer, np.float32)
  exporting.write_released(str(folder / 'deeper'), values)
  return str(folder / 'deeper')


@pytest.mark.parametrize(
  ('init', 'layers'),
  [('bottom_layers', [0, 1]), ('every_kth_layer', [1, 3])],
)
def test_layers_of_a_deeper_checkpoint_are_taken(tmp_path, init, layers):
  variables = make_variables()
  report = loading.load_released(deeper(tmp_path), variables, init=init)
  for ours, theirs in enumerate(layers):
    bias = variables[f'bert/encoder/layer_{ours}/output/dense/bias'].numpy()
    assert bias.tolist() == [theirs, theirs]
    assert f'  layer_{ours} from its layer_{theirs}' in report.lines()
  assert variables['bert/pooler/dense/bias'].numpy().tolist() == [7, 8]
  left = sorted({0, 1, 2, 3} - set(layers))
  assert report.unused == [
    f'bert/encoder/layer_{i}/output/dense/bias' for i in left
  ]


def test_word_embeddings_alone_are_taken(tmp_path):
  variables = make_variables()
  report = loading.load_released(
    deeper(tmp_path), variables, init='word_embeddings'
  )
  np.testing.assert_array_equal(variables.pop(WORDS), [[0, 1], [2, 3], [4, 5]])
  assert_untouched(variables)
  assert report.left_fresh == sorted(variables)


@pytest.mark.parametrize(
  ('changes', 'init', 'message'),
  [
    ({'hidden_size': 4}, 'bottom_layers', 'has hidden_size 2, the model 4'),
    ({'vocab_size': 4}, 'word_embeddings', 'has vocab_size 3, the model 4'),
    ({'num_hidden_layers': 5}, 'bottom_layers', 'has 4 layers, the model 5'),
    ({}, 'all', 'has 4 layers, the model 2'),
  ],
)
def test_what_cannot_start_a_model_is_told_before_it_is_made(
  tmp_path, changes, init, message
):
  fits = {
    'vocab_size': 3,
    'hidden_size': 2,
    'num_hidden_layers': 2,
    'num_attention_heads': 1,
  }
  prefix = deeper(tmp_path)
  loading.check_start(prefix, BertConfig(**fits), 'bottom_layers')
  with pytest.raises(UserError, match=f'deeper.*{message}'):
    loading.check_start(prefix, BertConfig(**fits | changes), init)


def test_rows_for_more_positions_follow_those_of_the_checkpoint(tmp_path):
  stored = {**make_values(), POSITIONS: np.float32([[1, 2], [3, 4]])}
  prefix = str(tmp_path / 'short')
  exporting.write_released(prefix, stored)
  strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
  with strategy.scope():
    variables = make_variables()
    variables[POSITIONS] = tf.Variable(tf.fill([3, 2], -9.0))
  with pytest.raises(UserError, match=r'is \[2, 2\] in the checkpoint'):
    loading.load_released(prefix, variables)
  assert_untouched(variables)
  report = loading.load_released(prefix, variables, extends_positions=True)
  for copy in strategy.experimental_local_results(variables[POSITIONS]):
    assert copy.numpy().tolist() == [[1, 2], [3, 4], [-9, -9]]
  assert f'    {POSITIONS} (2 rows of it, 1 freshly initialised)' in (
    report.lines()
  )
  assert POSITIONS not in report.loaded and not report.mismatched


def test_fewer_or_narrower_positions_are_never_cut_to_fit(tmp_path):
  prefix = str(tmp_path / 'long')
  exporting.write_released(
    prefix, {**make_values(), POSITIONS: np.ones([3, 2], np.float32)}
  )
  for shape in ([2, 2], [4, 3]):
    variables = make_variables()
    variables[POSITIONS] = tf.Variable(tf.fill(shape, -9.0))
    with pytest.raises(UserError, match=r'is \[3, 2\] in the checkpoint'):
      loading.load_released(prefix, variables, extends_positions=True)
    assert_untouched(variables)
