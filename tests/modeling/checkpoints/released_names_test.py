"""The names of the model's variables are those of released BERT."""

from modeling import configs, models
from modeling.checkpoints import released_names
from modeling.checkpoints.released_names import LAYER, is_encoder

_CONFIG = configs.BertConfig(
  vocab_size=5,
  hidden_size=4,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=6,
)


def test_the_model_has_these_variables():
  variables = models.released_variables(models.PreTrainer(_CONFIG, seed=None))
  tables = {
    released_names.WORDS: 5,
    released_names.SEGMENTS: _CONFIG.type_vocab_size,
    released_names.POSITIONS: _CONFIG.max_position_embeddings,
    released_names.MASKED_LM_BIAS: 5,
  }
  assert {name: variables[name].shape[0] for name in tables} == tables
  layers = {layer[0] for layer in map(LAYER.search, variables) if layer}
  assert layers == {'0', '1'}


def test_a_classifier_has_an_encoder_and_a_head():
  variables = models.released_variables(
    models.Classifier(_CONFIG, 3, seed=None)
  )
  others = {name for name in variables if not is_encoder(name)}
  assert others == set(released_names.CLASSIFIER_HEAD)


def test_a_layer_is_one_of_the_encoder():
  assert LAYER.search('bert/encoder/layer_11/output/dense/bias')[0] == '11'
  for name in ('encoder/layer_1/x', 'a/bert/encoder/layer_1/x', 'layer_1/x'):
    assert not LAYER.search(name)
  assert not LAYER.search('bert/encoder/layer_1')
