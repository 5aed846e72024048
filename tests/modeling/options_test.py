"""Tests of modeling/options.py."""

import dataclasses

import pytest

from modeling.options import ModelOptions
from system import settings
from system.errors import UserError


def test_defaults_load_all_weights_and_128_wordpieces():
  assert dataclasses.asdict(ModelOptions()) == {
    'bert_config_file': None,
    'bert_size': None,
    'initializer_range': None,
    'init_checkpoint': None,
    'init': 'all',
    'extend_positions': False,
    'max_seq_length': 128,
    'inherited': frozenset(),
  }
  settings.check(ModelOptions())


def test_the_start_and_the_length_decide_the_weights():
  options = ModelOptions(init='word_embeddings', max_seq_length=64)
  assert settings.weights_decided_by(options) == {
    'init': 'word_embeddings',
    'max_seq_length': 64,
  }


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ({'initializer_range': -0.1}, '`initializer_range`=-0.1: expected 0.0 or'),
    ({'max_seq_length': 2}, '`max_seq_length`=2: expected 3 to 65,536'),
    ({'init': 'top_layers'}, '`init`=top_layers: expected all or bottom_lay'),
  ],
)
def test_values_outside_the_limits_are_refused(values, message):
  with pytest.raises(UserError, match=message):
    settings.check(ModelOptions(**values))


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    (
      {'bert_size': '3/100'},
      "^`bert_size`='3/100' is unknown, expected one of tiny",
    ),
    (
      {'bert_size': 'tiny', 'bert_config_file': 'a.json'},
      "^give either `bert_config_file` or `bert_size`, .* 'a.json' and 'tiny'",
    ),
  ],
)
def test_one_setting_gives_the_configuration(values, message):
  ModelOptions(bert_size='2/128').check()
  ModelOptions(bert_config_file='a.json').check()
  with pytest.raises(UserError, match=message):
    ModelOptions(**values).check()


@pytest.mark.parametrize(
  ('name', 'needed'),
  [('initializer_range', 'bert_size'), ('init', 'init_checkpoint')],
)
def test_settings_without_effect_say_what_they_need(name, needed):
  needs = {
    each.name: each.setting.needs for each in settings.declared_in(ModelOptions)
  }[name]
  given = {'do_train': True}
  assert settings.unmet(needs, given) == f'`{needed}` is not given'
  assert settings.unmet(needs, {**given, needed: 'given'}) is None
