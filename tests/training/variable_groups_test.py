"""Variables' learning-rate factors, and which variables are frozen."""

import pytest

from system.errors import UserError
from training.variable_groups import check_freeze, is_frozen, rate_factor

# From the bottom up.
_EMBEDDINGS = 'bert/embeddings/LayerNorm/gamma'
_LAYERS = [f'bert/encoder/layer_{i}/output/dense/kernel' for i in range(12)]
_POOLER = 'bert/pooler/dense/bias'
_HEADS = ['output_weights', 'cls/predictions/transform/dense/kernel']


def test_the_rate_falls_from_the_heads_to_the_embeddings():
  names = [_EMBEDDINGS, *_LAYERS[:3], _POOLER, *_HEADS]
  factors = [rate_factor(name, 3, 0.5) for name in names]
  assert factors == [0.0625, 0.125, 0.25, 0.5, 1, 1, 1]


def test_layer_10_is_not_mistaken_for_layer_1():
  assert rate_factor(_LAYERS[10], 12, 0.5) == 0.25
  assert not is_frozen(_LAYERS[10], 12, '2')


@pytest.mark.parametrize(
  ('freeze', 'num_frozen'),
  [(None, 0), ('embeddings', 1), ('1', 2), ('3', 4), ('encoder', 5)],
)
def test_freezing_begins_at_the_bottom(freeze, num_frozen):
  check_freeze(freeze, 3)
  names = [_EMBEDDINGS, *_LAYERS[:3], _POOLER, *_HEADS]
  frozen = [name for name in names if is_frozen(name, 3, freeze)]
  assert frozen == names[:num_frozen]


@pytest.mark.parametrize('freeze', ['0', '4', '-1', 'all', '1.0', ''])
def test_other_values_of_freeze_are_refused(freeze):
  with pytest.raises(UserError, match='expected embeddings.* 1 to 3 in this'):
    check_freeze(freeze, 3)
