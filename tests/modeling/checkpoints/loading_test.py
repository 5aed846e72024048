"""Tests of modeling/checkpoints/loading.py."""

import hashlib
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from modeling.checkpoints import (
  exporting,
  loading,
  location,
  start_check,
  stored_weights,
)
from modeling.checkpoints.released_names import POSITIONS
from modeling.configs import BertConfig
from modeling.encoder import BertEncoder
from modeling.models import released_variables
from system.errors import UserError

INDEX, DATA = '.index', '.data-00000-of-00001'
CONFIG = BertConfig(vocab_size=3, hidden_size=12)
WORDS = 'bert/embeddings/word_embeddings'


TINY = {
  'vocab_size': 3,
  'hidden_size': 2,
  'num_hidden_layers': 2,
  'num_attention_heads': 1,
}


def encoder_values(num_layers):
  """Returns all values of an encoder that has the width of `TINY`."""
  config = BertConfig(**TINY | {'num_hidden_layers': num_layers})
  variables = released_variables(BertEncoder(config))
  return {name: variable.numpy() for name, variable in variables.items()}


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
  report = loading.load_released(location.locate(prefix), variables)
  for name, value in make_values().items():
    np.testing.assert_array_equal(variables[name].numpy(), value)
  assert report.loaded == sorted(make_values())
  assert not (report.missing or report.unused or report.mismatched)


def test_mirrored_variables_are_written_and_loaded(prefix, tmp_path):
  again = str(tmp_path / 'mirrored')
  strategy = tf.distribute.MirroredStrategy(['CPU:0'])
  with strategy.scope():
    variables = make_variables()
  loading.load_released(location.locate(prefix), variables)
  exporting.write_released(again, variables)
  assert stored_bytes(again) == stored_bytes(prefix)


def test_in_memory_file_system_works():
  prefix = 'ram://checkpoints_test/bert_model.ckpt'
  exporting.write_released(prefix, make_values())
  variables = make_variables()
  loading.load_released(location.locate('ram://checkpoints_test'), variables)
  np.testing.assert_array_equal(variables[WORDS].numpy(), make_values()[WORDS])


def test_training_state_is_not_listed(tmp_path):
  prefix = str(tmp_path / 'trained')
  values = make_values()
  values[WORDS + '/adam_m'] = values[WORDS]
  values[WORDS + '/adam_v'] = values[WORDS]
  values['global_step'] = np.float32(3)
  exporting.write_released(prefix, values)
  assert stored_weights.read_variables(location.locate(prefix)) == {
    name: (value.shape, 'float32') for name, value in make_values().items()
  }
  assert not loading.load_released(
    location.locate(prefix), make_variables()
  ).unused


def test_fixture_of_the_original_code_is_read(fixtures_dir):
  listed = stored_weights.read_variables(
    location.locate(str(fixtures_dir / 'reference_bert'))
  )
  assert len(listed) == 46
  assert listed[WORDS] == ((1000, 128), 'float32')


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
    loading.load_released(location.locate(prefix), variables)
  assert_untouched(variables)


def test_a_missing_head_is_reported_and_not_loaded(tmp_path):
  prefix = str(tmp_path / 'x')
  write_without(prefix, 'output_weights')
  variables = make_variables()
  report = loading.load_released(location.locate(prefix), variables)
  assert report.missing == ['output_weights']
  assert np.all(variables['output_weights'].numpy() == -9.0)


def test_unused_variables_are_named(prefix):
  variables = make_variables()
  del variables['output_weights']
  report = loading.load_released(location.locate(prefix), variables)
  assert report.unused == ['output_weights']


def test_a_head_of_another_shape_is_reported_and_not_loaded(
  prefix,
):
  variables = make_variables(num_labels=3)
  report = loading.load_released(location.locate(prefix), variables)
  assert report.mismatched == {'output_weights': ((2, 2), (3, 2))}
  assert np.all(variables['output_weights'].numpy() == -9.0)
  np.testing.assert_array_equal(variables[WORDS].numpy(), make_values()[WORDS])


def test_head_of_another_shape_can_be_refused(prefix):
  variables = make_variables(num_labels=3)
  message = r'output_weights is \[2, 2\] .* head has 2 classes, the task 3\.$'
  with pytest.raises(UserError, match=message):
    loading.load_released(
      location.locate(prefix), variables, loading.everything
    )
  assert_untouched(variables)


def test_what_a_fine_tuned_model_lacks_is_named(prefix):
  variables = make_variables()
  variables['cls/predictions/output_bias'] = tf.Variable(tf.fill([3], -9.0))
  with pytest.raises(UserError, match='It has no pre-training heads, as a mod'):
    loading.load_released(
      location.locate(prefix), variables, loading.everything
    )


def test_a_fault_of_the_encoder_matters_more_than_one_of_the_head(prefix):
  checkpoint = location.locate(prefix)
  variables = make_variables(num_labels=3)
  variables[WORDS] = tf.Variable(tf.fill([4, 2], -9.0))
  with pytest.raises(UserError, match='json and the vocabulary given belong'):
    loading.load_released(checkpoint, variables, loading.everything)
  lacking = {name: tf.Variable([-9.0]) for name in (POSITIONS, 'output_bias')}
  variables = make_variables() | lacking
  with pytest.raises(UserError, match='bert_config.json and the given one agr'):
    loading.load_released(checkpoint, variables, loading.everything)


def test_the_rows_of_a_head_take_the_model_s_order(tmp_path):
  prefix = str(tmp_path / 'x')
  head = np.float32([[0, 0], [1, 1], [2, 2]])
  exporting.write_released(prefix, make_values(3) | {'output_weights': head})
  variables = make_variables(num_labels=3)
  loading.load_released(location.locate(prefix), variables, head_rows=(2, 0, 1))
  assert variables['output_weights'].numpy()[:, 0].tolist() == [2, 0, 1]
  np.testing.assert_array_equal(variables[WORDS].numpy(), make_values()[WORDS])


@pytest.mark.parametrize('value', [np.nan, -np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
  prefix = str(tmp_path / 'x')
  values = make_values()
  for layer in range(2):
    values[f'bert/encoder/layer_{layer}/output/dense/bias'][1] = value
  exporting.write_released(prefix, values)
  variables = make_variables()
  with pytest.raises(
    UserError,
    match=r'NaN or infinite: bert/encoder/layer_{0..1}/output/dense/b',
  ):
    loading.load_released(location.locate(prefix), variables)
  assert_untouched(variables)


def test_vocabulary_of_another_size_is_an_error(prefix):
  variables = make_variables()
  variables[WORDS] = tf.Variable(tf.fill([4, 2], -9.0))
  with pytest.raises(UserError) as error:
    loading.load_released(location.locate(prefix), variables)
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
    loading.load_released(location.locate(prefix), variables)
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
    loading.load_released(location.locate(prefix), variables)
  assert_untouched(variables)


def test_the_checksum_covers_all_data_files_in_order(prefix, tmp_path):
  data = stored_bytes(prefix)[1]
  assert location.locate(prefix).checksum() == hashlib.sha256(data).hexdigest()
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
  # Another checkpoint whose name begins with this one's.
  (tmp_path / 'sharded-1.data-00000-of-00001').write_text('other')
  parts = [
    pathlib.Path(f'{sharded}.data-0000{i}-of-00002').read_bytes()
    for i in range(2)
  ]
  assert all(parts)
  expected = hashlib.sha256(b''.join(parts)).hexdigest()
  assert location.locate(sharded).checksum() == expected
  variables = {'b': tf.Variable([0.0, 0.0])}
  loading.load_released(location.locate(sharded), variables)
  assert variables['b'].numpy().tolist() == [98.0, 98.0]


def test_missing_data_file_is_a_user_error(prefix, tmp_path):
  (tmp_path / 'bert_model.ckpt.data-00000-of-00001').unlink()
  with pytest.raises(UserError, match=r'data-00000-of-00001 cannot'):
    loading.load_released(location.locate(prefix), make_variables())
  with pytest.raises(UserError, match='nor any other data file of'):
    location.Checkpoint(prefix).checksum()


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
def test_layers_of_a_deeper_checkpoint_are_loaded(tmp_path, init, layers):
  variables = make_variables()
  report = loading.load_released(
    location.locate(deeper(tmp_path)), variables, init=init
  )
  for ours, theirs in enumerate(layers):
    bias = variables[f'bert/encoder/layer_{ours}/output/dense/bias'].numpy()
    assert bias.tolist() == [theirs, theirs]
    assert f'  layer_{ours} from its layer_{theirs}' in report.lines()
  assert variables['bert/pooler/dense/bias'].numpy().tolist() == [7, 8]
  left = sorted({0, 1, 2, 3} - set(layers))
  assert report.unused == [
    f'bert/encoder/layer_{i}/output/dense/bias' for i in left
  ]


def test_only_word_embeddings_are_loaded(tmp_path):
  variables = make_variables()
  report = loading.load_released(
    location.locate(deeper(tmp_path)), variables, init='word_embeddings'
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
def test_an_unfit_checkpoint_is_refused_before_a_model_is_built(
  tmp_path, changes, init, message
):
  prefix = str(tmp_path / 'deeper')
  exporting.write_released(prefix, encoder_values(4))
  start_check.check(
    location.locate(prefix), BertConfig(**TINY), 'bottom_layers'
  )
  with pytest.raises(UserError, match=f'deeper.*{message}'):
    start_check.check(
      location.locate(prefix), BertConfig(**TINY | changes), init
    )
  # Word embeddings alone have no positions and no segments.
  other = {'max_position_embeddings': 8, 'type_vocab_size': 2}
  start_check.check(
    location.locate(prefix), BertConfig(**TINY | other), 'word_embeddings'
  )


@pytest.mark.parametrize(
  ('without', 'message'),
  [
    ('bert/pooler', 'no pooler: .*import_hugging_face --fresh_pooler'),
    ('bert/encoder/layer_1/output/dense', 'lacks .*layer_1/output/dense/bias'),
  ],
)
def test_a_checkpoint_without_weights_of_the_encoder_is_refused_before_a_model(
  tmp_path, without, message
):
  values = {
    name: value
    for name, value in encoder_values(2).items()
    if not name.startswith(without)
  }
  prefix = str(tmp_path / 'part')
  exporting.write_released(prefix, values)
  checkpoint, config = location.locate(prefix), BertConfig(**TINY)
  start_check.check(checkpoint, config, 'word_embeddings')
  with pytest.raises(UserError, match=message):
    start_check.check(checkpoint, config, 'all')


def test_another_width_of_the_feed_forward_network_is_refused_before_a_model(
  tmp_path,
):
  prefix = str(tmp_path / 'wide')
  exporting.write_released(prefix, encoder_values(2))
  config = BertConfig(**TINY, intermediate_size=8)
  with pytest.raises(UserError, match=r'is \[2, 3072\] in the .*, \[2, 8\] in'):
    start_check.check(location.locate(prefix), config, 'all')


def test_rows_for_more_positions_follow_those_of_the_checkpoint(tmp_path):
  stored = {**make_values(), POSITIONS: np.float32([[1, 2], [3, 4]])}
  prefix = str(tmp_path / 'short')
  exporting.write_released(prefix, stored)
  strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
  with strategy.scope():
    variables = make_variables()
    variables[POSITIONS] = tf.Variable(tf.fill([3, 2], -9.0))
  with pytest.raises(UserError, match=r'is \[2, 2\] in the checkpoint'):
    loading.load_released(location.locate(prefix), variables)
  assert_untouched(variables)
  report = loading.load_released(
    location.locate(prefix), variables, extends_positions=True
  )
  for copy in strategy.experimental_local_results(variables[POSITIONS]):
    assert copy.numpy().tolist() == [[1, 2], [3, 4], [-9, -9]]
  assert f'    {POSITIONS} (2 rows loaded, 1 freshly initialised)' in (
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
      loading.load_released(
        location.locate(prefix), variables, extends_positions=True
      )
    assert_untouched(variables)


@pytest.mark.parametrize(
  ('init', 'name', 'is_read'),
  [
    ('bottom_layers', 'bert/encoder/layer_0/output/dense/bias', True),
    ('bottom_layers', 'bert/encoder/layer_1/output/dense/bias', False),
    ('every_kth_layer', 'bert/encoder/layer_0/output/dense/bias', False),
    ('every_kth_layer', 'bert/encoder/layer_1/output/dense/bias', True),
    ('word_embeddings', 'bert/encoder/layer_0/output/dense/bias', False),
    ('word_embeddings', WORDS, True),
    ('bottom_layers', 'output_weights', False),
  ],
)
def test_the_weights_to_start_from_are_read_before_a_model_is_built(
  tmp_path, init, name, is_read
):
  values = {**make_values(), **encoder_values(2)}
  values[name] = np.full_like(values[name], np.nan)
  prefix = str(tmp_path / 'nan')
  exporting.write_released(prefix, values)
  config = BertConfig(**TINY | {'num_hidden_layers': 1})
  if not is_read:
    start_check.check(location.locate(prefix), config, init)
    return
  with pytest.raises(UserError, match=f'NaN or infinite: {name}$'):
    start_check.check(location.locate(prefix), config, init)
