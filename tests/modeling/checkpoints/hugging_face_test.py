"""Hugging Face's names, layout and configuration in released form."""

import numpy as np
import pytest
from tiny_hugging_face import CONFIG, LAYER, SHAPES, make_tensors

from modeling.checkpoints import hugging_face
from system.errors import UserError


def _assert_weights(tensors, expected):
  """Checks that all tensors are used, and that the weights have values."""
  weights, unused = hugging_face.released_weights(tensors)
  assert not unused
  for name, value in expected.items():
    np.testing.assert_array_equal(weights[name], value, err_msg=name)
  return weights


def test_only_kernels_are_transposed():
  tensors = make_tensors()
  layer = 'bert/encoder/layer_0/'
  expected = {
    'bert/embeddings/word_embeddings': tensors[
      'embeddings.word_embeddings.weight'
    ],
    'bert/embeddings/LayerNorm/gamma': tensors['embeddings.LayerNorm.weight'],
    'bert/embeddings/LayerNorm/beta': tensors['embeddings.LayerNorm.bias'],
    layer + 'attention/self/query/kernel': tensors[
      LAYER + 'attention.self.query.weight'
    ].T,
    layer + 'intermediate/dense/kernel': tensors[
      LAYER + 'intermediate.dense.weight'
    ].T,
    layer + 'output/dense/bias': tensors[LAYER + 'output.dense.bias'],
    'bert/pooler/dense/kernel': tensors['pooler.dense.weight'].T,
  }
  assert len(_assert_weights(tensors, expected)) == len(SHAPES)


def test_old_layer_norm_names_and_buffers_do_not_matter():
  old = {
    'bert.'
    + name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace(
      'LayerNorm.bias', 'LayerNorm.beta'
    ): value
    for name, value in make_tensors().items()
  }
  old['bert.embeddings.position_ids'] = np.arange(7).reshape(1, 7)
  expected, _ = hugging_face.released_weights(make_tensors())
  assert _assert_weights(old, expected).keys() == expected.keys()


@pytest.mark.parametrize('prefix', ['module.', 'module.bert.', 'model.bert.'])
def test_names_of_wrapped_models_are_known(prefix):
  tensors = {prefix + name: value for name, value in make_tensors().items()}
  expected, _ = hugging_face.released_weights(make_tensors())
  assert _assert_weights(tensors, expected).keys() == expected.keys()


def test_heads_are_translated():
  bias = np.arange(5, dtype=np.float32)
  heads = {
    'cls.predictions.bias': bias,
    'cls.predictions.decoder.bias': bias,
    'cls.predictions.decoder.weight': make_tensors()[
      'embeddings.word_embeddings.weight'
    ],
    'cls.predictions.transform.dense.weight': np.float32(
      np.arange(16).reshape(4, 4)
    ),
    'cls.predictions.transform.dense.bias': np.float32([1, 2, 3, 4]),
    'cls.predictions.transform.LayerNorm.weight': np.float32([5, 6, 7, 8]),
    'cls.predictions.transform.LayerNorm.bias': np.float32([9, 8, 7, 6]),
    'cls.seq_relationship.weight': np.float32(np.arange(8).reshape(2, 4)),
    'cls.seq_relationship.bias': np.float32([3, 1]),
    'classifier.weight': np.float32(np.arange(12).reshape(3, 4)),
    'classifier.bias': np.float32([1, 2, 3]),
  }
  expected = {
    'cls/predictions/output_bias': bias,
    'cls/predictions/transform/dense/kernel': heads[
      'cls.predictions.transform.dense.weight'
    ].T,
    'cls/predictions/transform/dense/bias': [1, 2, 3, 4],
    'cls/predictions/transform/LayerNorm/gamma': [5, 6, 7, 8],
    'cls/predictions/transform/LayerNorm/beta': [9, 8, 7, 6],
    'cls/seq_relationship/output_weights': heads['cls.seq_relationship.weight'],
    'cls/seq_relationship/output_bias': [3, 1],
    'output_weights': heads['classifier.weight'],
    'output_bias': [1, 2, 3],
  }
  weights = _assert_weights(make_tensors() | heads, expected)
  assert len(weights) == len(SHAPES) + 9


def test_untied_decoder_is_rejected():
  untied = {'cls.predictions.decoder.weight': np.zeros((5, 4), np.float32)}
  with pytest.raises(UserError, match='bert/embeddings/word_embeddings: rel'):
    hugging_face.released_weights(make_tensors() | untied)


def test_half_precision_weights_become_float32():
  half = {name: np.float16(value) for name, value in make_tensors().items()}
  weights, _ = hugging_face.released_weights(half)
  assert {value.dtype for value in weights.values()} == {np.dtype('float32')}


@pytest.mark.parametrize(
  ('theirs', 'ours'),
  [
    ('gelu', 'gelu_erf'),
    ('gelu_new', 'gelu'),
    ('gelu_pytorch_tanh', 'gelu'),
    ('relu', 'relu'),
  ],
)
def test_activations_are_translated(theirs, ours):
  config = hugging_face.released_config(CONFIG | {'hidden_act': theirs})
  assert config.hidden_act == ours


def test_keys_left_out_take_the_defaults_of_transformers():
  config = hugging_face.released_config({})
  assert (config.vocab_size, config.type_vocab_size) == (30522, 2)
  assert config.hidden_act == 'gelu_erf'
