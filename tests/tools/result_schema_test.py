"""What a result file may hold."""

import pytest

from system.errors import UserError
from tools import result_schema

RESULT = {'keys': {'method': 'PD'}, 'scores': {'accuracy': 0.5}, 'split': 'dev'}


def _matrix(counts):
  return {'labels': ['a', 'b'], 'counts': counts}


def test_missing_fields_are_null():
  full = result_schema.check(RESULT, 'a.json')
  assert full == {
    **RESULT,
    'confusion': None,
    'parameters': None,
    'examples_per_second': None,
    'seconds': None,
    'command': None,
    'versions': None,
    'hardware': None,
    'init_checkpoint': None,
    'checkpoint': None,
    'finished': None,
  }
  assert tuple(full) == result_schema.FIELDS


def test_null_keys_are_left_out():
  keys = {'method': 'teacher', 'size': None, 'seed': 1}
  full = result_schema.check(RESULT | {'keys': keys}, 'a.json')
  assert full['keys'] == {'method': 'teacher', 'seed': 1}


def test_a_score_may_be_undefined():
  full = result_schema.check(RESULT | {'scores': {'pearson': None}}, 'a.json')
  assert full['scores'] == {'pearson': None}


def test_a_confusion_matrix_is_a_square_of_counts():
  matrix = _matrix([[1, 0], [2, 3]])
  full = result_schema.check(RESULT | {'confusion': matrix}, 'a.json')
  assert full['confusion'] == matrix


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'keys': None}, 'keys must be an object, got None'),
    ({'keys': {}}, 'keys and scores must not be empty'),
    ({'keys': {'seed': None}}, 'keys and scores must not be empty'),
    ({'keys': {'seed': True}}, 'the key seed must be text or a number'),
    ({'keys': {'size': ''}}, "the key size must be .*, got ''"),
    ({'scores': {'accuracy': '0.5'}}, "score accuracy must be a .* got '0.5'"),
    ({'split': None}, 'split must be text, got None'),
    ({'parameters': 1.5}, 'parameters must be a number, got 1.5'),
    ({'seconds': True}, 'seconds must be a number, got True'),
    ({'confusion': {'labels': ['a']}}, 'must have labels and a square of cou'),
    ({'confusion': _matrix([[1, 2]])}, 'must have labels and a square'),
    ({'confusion': _matrix([[1, 2], [3]])}, 'must have labels and a square'),
    ({'confusion': _matrix([[1, 2], [3, -4]])}, 'must have labels and a sq'),
    ({'command': 'run.py'}, "command must be a list, got 'run.py'"),
    ({'command': [1]}, 'command must hold words, got 1'),
    ({'method': 'PD'}, 'method is not a field .* the fields are keys, scores'),
  ],
)
def test_a_malformed_result_is_refused(change, message):
  with pytest.raises(UserError, match=f'a.json: .*{message}'):
    result_schema.check(RESULT | change, 'a.json')


def test_a_list_is_no_result():
  with pytest.raises(UserError, match='a.json: expected a JSON object'):
    result_schema.check([RESULT], 'a.json')
