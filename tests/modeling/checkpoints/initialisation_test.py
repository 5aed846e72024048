"""Tests of modeling/checkpoints/initialisation.py."""

import pytest

from modeling.checkpoints import initialisation
from system.errors import UserError

WORDS = 'bert/embeddings/word_embeddings'


def _names(num_layers):
  layers = [
    f'bert/encoder/layer_{i}/output/dense/bias' for i in range(num_layers)
  ]
  return [WORDS, *layers, 'bert/pooler/dense/bias', 'output_weights']


@pytest.mark.parametrize(
  ('init', 'num_ours', 'num_theirs', 'expected'),
  [
    ('all', 3, 3, [0, 1, 2]),
    ('bottom_layers', 4, 12, [0, 1, 2, 3]),
    ('bottom_layers', 3, 3, [0, 1, 2]),
    ('every_kth_layer', 4, 12, [2, 5, 8, 11]),
    ('every_kth_layer', 2, 12, [5, 11]),
    ('every_kth_layer', 3, 3, [0, 1, 2]),
  ],
)
def test_each_layer_has_its_source(init, num_ours, num_theirs, expected):
  assert initialisation.layer_sources(init, num_ours, num_theirs) == expected


@pytest.mark.parametrize(
  ('init', 'num_ours', 'num_theirs', 'message'),
  [
    ('all', 2, 12, 'has 12 layers, the model 2.*`init`=bottom_layers'),
    ('all', 12, 2, 'has 2 layers, the model 12'),
    ('bottom_layers', 4, 3, 'has 3 layers, the model 4.*as many or more'),
    ('every_kth_layer', 8, 12, 'has 12 layers, the model 8.*a multiple'),
    ('every_kth_layer', 4, 2, 'has 2 layers, the model 4.*a multiple'),
  ],
)
def test_numbers_of_layers_that_do_not_fit_are_refused(
  init, num_ours, num_theirs, message
):
  with pytest.raises(UserError, match=message):
    initialisation.layer_sources(init, num_ours, num_theirs)


def test_only_names_of_layers_change():
  assert initialisation.sources('every_kth_layer', _names(2), _names(4)) == {
    WORDS: WORDS,
    'bert/encoder/layer_0/output/dense/bias': (
      'bert/encoder/layer_1/output/dense/bias'
    ),
    'bert/encoder/layer_1/output/dense/bias': (
      'bert/encoder/layer_3/output/dense/bias'
    ),
    'bert/pooler/dense/bias': 'bert/pooler/dense/bias',
    'output_weights': 'output_weights',
  }


def test_word_embeddings_come_from_a_checkpoint_of_any_depth():
  assert initialisation.sources('word_embeddings', _names(2), _names(7)) == {
    WORDS: WORDS
  }


def test_ways_to_start_are_numbered_and_one_is_marked():
  lines = initialisation.explain(initialisation.WARM)
  assert [line[:4] for line in lines[1:]] == ['  1.', '→ 2.', '  3.']
  assert 'resumed' in lines[1]
  assert '`init_checkpoint`' in lines[2]
  assert 'random' in lines[3]
