"""Tests of modeling/configs.py."""

import json

import pytest

from modeling import configs
from modeling.configs import BertConfig
from system.errors import UserError

# Counted over the trainable weights of tf-models-official's BertEncoderV2 with
# the released vocabulary of 30,522, not with the function under test.
PARAMETER_COUNTS = {
  '2/128': 4_385_920,
  '2/256': 9_591_040,
  '2/512': 22_458_880,
  '2/768': 38_603_520,
  '4/128': 4_782_464,
  '4/256': 11_170_560,
  '4/512': 28_763_648,
  '4/768': 52_779_264,
  '6/128': 5_179_008,
  '6/256': 12_750_080,
  '6/512': 35_068_416,
  '6/768': 66_955_008,
  '8/128': 5_575_552,
  '8/256': 14_329_600,
  '8/512': 41_373_184,
  '8/768': 81_130_752,
  '10/128': 5_972_096,
  '10/256': 15_909_120,
  '10/512': 47_677_952,
  '10/768': 95_306_496,
  '12/128': 6_368_640,
  '12/256': 17_488_640,
  '12/512': 53_982_720,
  '12/768': 109_482_240,
}

# bert_config.json of the released multilingual cased model.
MULTILINGUAL = {
  'attention_probs_dropout_prob': 0.1,
  'directionality': 'bidi',
  'hidden_act': 'gelu',
  'hidden_dropout_prob': 0.1,
  'hidden_size': 768,
  'initializer_range': 0.02,
  'intermediate_size': 3072,
  'max_position_embeddings': 512,
  'num_attention_heads': 12,
  'num_hidden_layers': 12,
  'pooler_fc_size': 768,
  'pooler_num_attention_heads': 12,
  'pooler_num_fc_layers': 3,
  'pooler_size_per_head': 128,
  'pooler_type': 'first_token_transform',
  'type_vocab_size': 2,
  'vocab_size': 119547,
}


def test_table_of_parameter_counts_lists_every_compact_size():
  assert tuple(PARAMETER_COUNTS) == configs.COMPACT_SIZES
  assert len(configs.COMPACT_SIZES) == 24


@pytest.mark.parametrize('size', PARAMETER_COUNTS)
def test_compact_size_has_its_parameter_count(size):
  config = configs.compact_config(size, vocab_size=30522)
  assert configs.count_parameters(config) == PARAMETER_COUNTS[size]


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    (
      {'num_hidden_layers': 10**9},
      '^num_hidden_layers is 1,000,000,000, expected at most 1,000$',
    ),
    # 4 bytes each for a table of [10^12, 768]; the rest rounds to nothing.
    (
      {'vocab_size': 10**12},
      '^a model of these sizes has weights of 3,072,000 GB, expected at most '
      '1,100 GB: .*, vocab_size 1000000000000$',
    ),
    ({'hidden_size': 12 * 10**11}, 'has weights of .* GB, .*hidden_size 12'),
    ({'intermediate_size': 10**100}, r'^intermediate_size is 10*\.\.\., expec'),
  ],
)
def test_a_model_that_no_machine_holds_is_refused(values, message):
  with pytest.raises(UserError, match=message):
    BertConfig.from_dict({'vocab_size': 100, **values})


def test_compact_config_sets_heads_and_intermediate_from_hidden_size():
  config = configs.compact_config('4/512', vocab_size=100)
  assert config == BertConfig(
    vocab_size=100,
    hidden_size=512,
    num_hidden_layers=4,
    num_attention_heads=8,
    intermediate_size=2048,
    hidden_act='gelu',
    hidden_dropout_prob=0.1,
    attention_probs_dropout_prob=0.1,
    max_position_embeddings=512,
    type_vocab_size=2,
    initializer_range=0.02,
  )


@pytest.mark.parametrize(
  ('alias', 'size'),
  [
    ('tiny', '2/128'),
    ('mini', '4/256'),
    ('small', '4/512'),
    ('medium', '8/512'),
    ('base', '12/768'),
  ],
)
def test_an_alias_is_its_size(alias, size):
  assert configs.compact_config(alias, 9) == configs.compact_config(size, 9)


@pytest.mark.parametrize('size', ['3/128', '2/64', 'huge', '2x128', ''])
def test_unknown_size_is_refused_and_the_sizes_listed(size):
  with pytest.raises(UserError, match='2/128, 2/256.*12/768') as error:
    configs.compact_config(size, 9)
  assert repr(size) in str(error.value)


def test_missing_keys_take_the_defaults_of_the_original():
  assert BertConfig.from_dict({'vocab_size': 7}).to_dict() == {
    'vocab_size': 7,
    'hidden_size': 768,
    'num_hidden_layers': 12,
    'num_attention_heads': 12,
    'intermediate_size': 3072,
    'hidden_act': 'gelu',
    'hidden_dropout_prob': 0.1,
    'attention_probs_dropout_prob': 0.1,
    'max_position_embeddings': 512,
    'type_vocab_size': 16,
    'initializer_range': 0.02,
  }


def test_released_pooler_keys_are_accepted_and_left_out():
  config = BertConfig.from_dict(MULTILINGUAL)
  assert config.vocab_size == 119547
  assert 'pooler_type' not in config.to_dict()


def test_file_is_read_back_as_it_was_written(tmp_path):
  path = tmp_path / 'bert_config.json'
  config = configs.compact_config('mini', vocab_size=11)
  config.to_json_file(str(path))
  assert BertConfig.from_json_file(str(path)) == config
  assert json.loads(path.read_text()) == config.to_dict()


def test_file_in_memory_is_read():
  path = 'ram://configs_test/bert_config.json'
  config = configs.compact_config('tiny', vocab_size=11)
  config.to_json_file(path)
  assert BertConfig.from_json_file(path) == config


def test_file_with_an_unknown_key_names_file_and_key(tmp_path):
  path = tmp_path / 'bert_config.json'
  path.write_text('{"vocab_size": 7, "hiden_size": 8}')
  with pytest.raises(UserError, match='bert_config.json: .*hiden_size'):
    BertConfig.from_json_file(str(path))


def test_keys_that_do_not_change_the_model_are_accepted(tmp_path, caplog):
  path = tmp_path / 'bert_config.json'
  path.write_text(
    '{"vocab_size": 7, "layer_norm_eps": 1e-12, "model_type": "bert",'
    ' "position_embedding_type": "absolute", "_comment": "ours",'
    ' "pad_token_id": 0}'
  )
  assert BertConfig.from_json_file(str(path)) == BertConfig(vocab_size=7)
  assert not caplog.text


def test_unknown_keys_are_ignored_and_named_once(tmp_path, caplog):
  path = tmp_path / 'bert_config.json'
  path.write_text('{"vocab_size": 7, "team": "x", "dropout_schedule": 3}')
  for _ in range(2):
    assert BertConfig.from_json_file(str(path)) == BertConfig(vocab_size=7)
  message = f"keys in {path} are ignored: 'dropout_schedule', 'team'"
  assert caplog.text.count(message) == 1


@pytest.mark.parametrize(
  ('key', 'value'),
  [
    ('position_embedding_type', 'relative_key'),
    ('layer_norm_eps', 1e-5),
    ('model_type', 'roberta'),
    ('is_decoder', True),
    ('embedding_size', 128),
  ],
)
def test_a_key_that_changes_the_model_is_refused(key, value):
  with pytest.raises(UserError, match=f'{key} is {value!r}, expected'):
    BertConfig.from_dict({'vocab_size': 7, key: value})


def test_a_key_of_another_program_may_be_null():
  for key in ('position_embedding_type', 'embedding_size', 'layer_norm_eps'):
    config = BertConfig.from_dict({'vocab_size': 3, key: None})
    assert config == BertConfig(vocab_size=3)


@pytest.mark.parametrize(
  'key', ['hidden_dropout_prob', 'attention_probs_dropout_prob']
)
def test_no_dropout_is_a_rate_of_zero(key):
  config = BertConfig.from_dict({'vocab_size': 7, key: None})
  assert config == BertConfig(vocab_size=7, **{key: 0.0})


def test_a_key_twice_is_refused(tmp_path):
  path = tmp_path / 'bert_config.json'
  path.write_text('{"vocab_size": 7, "hidden_size": 8, "hidden_size": 16}')
  with pytest.raises(
    UserError, match="_config.json .*'hidden_size' occurs twi"
  ):
    BertConfig.from_json_file(str(path))


def test_hugging_face_s_own_configuration_is_recognised(tmp_path):
  path = tmp_path / 'config.json'
  path.write_text('{"architectures": ["BertModel"], "vocab_size": 7}')
  with pytest.raises(
    UserError, match="config.json: .* Hugging Face's .*import_hugging_face"
  ):
    BertConfig.from_json_file(str(path))


def test_missing_vocabulary_size_is_named():
  with pytest.raises(UserError, match='vocab_size'):
    BertConfig.from_dict({'hidden_size': 8})


@pytest.mark.parametrize('content', [[], 'gelu', None, 3])
def test_json_other_than_an_object_is_refused(content):
  with pytest.raises(UserError, match='JSON object'):
    BertConfig.from_dict(content)


@pytest.mark.parametrize(
  ('key', 'value'),
  [
    ('vocab_size', 0),
    ('vocab_size', '30522'),
    ('vocab_size', None),
    ('num_hidden_layers', -1),
    ('num_hidden_layers', True),
    ('intermediate_size', 10.0),
    ('hidden_dropout_prob', 1.0),
    ('hidden_dropout_prob', -0.1),
    ('hidden_dropout_prob', float('nan')),
    ('attention_probs_dropout_prob', '0.1'),
    ('attention_probs_dropout_prob', True),
    ('initializer_range', -0.02),
    ('initializer_range', float('nan')),
    ('initializer_range', float('inf')),
    ('initializer_range', None),
    ('hidden_act', 'gelu_new'),
    ('hidden_act', 3),
    ('hidden_act', False),
    ('hidden_act', ['gelu']),
  ],
)
def test_wrong_value_is_named_with_its_key(key, value):
  with pytest.raises(UserError, match=key) as error:
    BertConfig.from_dict({'vocab_size': 7, key: value})
  assert repr(value) in str(error.value)


def test_hidden_size_must_divide_among_the_heads():
  with pytest.raises(UserError, match='hidden_size is 10.*heads, 4'):
    BertConfig(vocab_size=7, hidden_size=10, num_attention_heads=4)


@pytest.mark.parametrize('name', ['GELU', 'gelu_erf', 'linear', '', None])
def test_activation_is_accepted(name):
  assert BertConfig(vocab_size=7, hidden_act=name).hidden_act == name
