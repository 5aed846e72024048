"""Parsing JSON that other people write."""

import math

import pytest

from system import files, json_text
from system.errors import UserError


def test_values_of_all_kinds_are_parsed():
  text = '\ufeff{"a": [1, -2.5e3, "\\u00e9", true, null], "b": {"a": 0}}\n'
  expected = {'a': [1, -2500.0, 'é', True, None], 'b': {'a': 0}}
  assert json_text.parse(text) == expected


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('{"a": ', 'Expecting value: line 1 column 7'),
    ('{"b": 1, "a": 2, "c": {"a": 3}, "a": 2}', "the key 'a' occurs twice"),
    ('[{"x": {"a": 1, "a": 1}}]', "the key 'a' occurs twice"),
    ('{"a": NaN}', 'NaN is not a value of JSON'),
    ('[-Infinity]', '-Infinity is not a value of JSON'),
    ('1e999', "the number '1e999' is too large"),
    ('9' * 5000, r'Exceeds the limit \(4300 digits\).* 5000 digits$'),
    ('[' * 200_000, 'its values are nested too deeply'),
    ('{"a":' * 200_000, 'its values are nested too deeply'),
  ],
  ids=lambda value: value[:20],
)
def test_everything_else_raises_one_error(tmp_path, text, message):
  with pytest.raises(ValueError, match=message):
    json_text.parse(text)
  with pytest.raises(
    UserError, match=f'^f, line 3: expected a JSON .*{message}'
  ):
    json_text.parse_object(text, 'f, line 3')
  (tmp_path / 'a.json').write_text(text)
  with pytest.raises(UserError, match=f'a.json is not valid JSON: .*{message}'):
    files.read_json(str(tmp_path / 'a.json'))


def test_a_log_may_hold_nan():
  text = '{"step": 1, "gradient_norm": NaN}'
  assert math.isnan(json_text.parse(text, allows_nan=True)['gradient_norm'])
  with pytest.raises(ValueError, match='occurs twice'):
    json_text.parse('{"a": 1, "a": 1}', allows_nan=True)


def test_an_object_is_expected():
  assert json_text.parse_object('{"a": 1}', 'x') == {'a': 1}
  with pytest.raises(UserError, match=r"^x: .* object, found '\[\"a\"\]'$"):
    json_text.parse_object('["a"]', 'x')
