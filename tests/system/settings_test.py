"""Settings: limits and conditions."""

import dataclasses
import math

import pytest

from system import settings
from system.errors import UserError
from system.settings import setting, unmet


@dataclasses.dataclass(frozen=True)
class _Limits:
  count: int = setting(2, 'A count.', at_least=1, at_most=2000)
  share: float = setting(0.5, 'A share.', more_than=0, less_than=1)
  kind: str = setting('a', 'A kind.', choices=('a', 'b'))
  seed: int | None = setting(None, 'A seed.')


@pytest.mark.parametrize(
  'values',
  [{}, {'count': 1}, {'count': 2000}, {'seed': -(2**70)}, {'share': 0.999}],
)
def test_values_within_their_limits_pass(values):
  settings.check(_Limits(**values))


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ({'count': 0}, '`count`=0: expected 1 to 2,000'),
    ({'count': 2001}, '`count`=2001: expected 1 to 2,000'),
    ({'count': 1.5}, '`count`=1.5: expected 1 to 2,000'),
    ({'share': 0}, '`share`=0: expected more than 0 and less than 1'),
    ({'share': 1.0}, '`share`=1.0: expected more than 0 and less than 1'),
    (
      {'share': float('nan')},
      '`share`=nan: expected a finite number, more than 0 and',
    ),
    ({'kind': 'c'}, '`kind`=c: expected a or b'),
  ],
)
def test_value_outside_its_limits_is_named(values, message):
  with pytest.raises(UserError) as error:
    settings.check(_Limits(**values))
  assert str(error.value).startswith(message)


@pytest.mark.parametrize(
  ('condition', 'value', 'reason'),
  [
    ('a', 1, None),
    ('a', 0, '`a` is not given'),
    ('a', None, '`a` is not given'),
    ('!a', None, None),
    ('!a', 'x', '`a` is x'),
    ('a=x,y', 'Y', None),
    ('a=x,y', 'z', '`a` is not x or y'),
    ('a!=x', 'z', None),
    ('a!=x', 'x', '`a` is x'),
    ('a>1', 2, None),
    ('a>1', 1, '`a` is 1'),
    ('a>1', None, '`a` is not given'),
    ('a|b', True, None),
    ('a|b', False, 'neither `a` nor `b` is given'),
  ],
)
def test_unmet_condition_is_the_reason(condition, value, reason):
  assert unmet([condition], {'a': value, 'b': None}) == reason


def test_a_reason_does_not_name_settings_of_other_scripts():
  assert unmet(['a=x|b'], {'a': 'y'}) == '`a` is not x'
  assert (
    unmet(['a=x|b'], {'a': 'y', 'b': ''}) == 'neither `a`=x nor `b` is given'
  )
  assert unmet(['b'], {}) == '`b` is not given'


@dataclasses.dataclass(frozen=True)
class _Numbers:
  rate: float = setting(1.0, 'A rate.', at_least=0.5)
  offset: float = setting(0.0, 'An offset.')
  steps: int = setting(7, 'A count.', at_least=1)


@dataclasses.dataclass(frozen=True)
class _Kinds:
  rate: float = setting(1.0, 'A rate.', at_least=0.5, decides_weights=True)
  seed: int | None = setting(None, 'A seed.')
  names: tuple[str, ...] = setting((), 'Names.', decides_weights=True)
  title: str = setting('x', 'A title.')
  steps: int = 7  # Not a setting.


def test_declared_kinds_are_those_behind_the_annotations():
  kinds = [(each.name, each.kind) for each in settings.declared_in(_Kinds)]
  assert kinds == [
    ('rate', float),
    ('seed', int),
    ('names', tuple),
    ('title', str),
  ]


def test_weights_are_decided_by_the_settings_that_say_so():
  decided = settings.weights_decided_by(_Kinds(rate=0.5, seed=3, names=('a',)))
  assert decided == {'rate': 0.5, 'names': ('a',)}


@pytest.mark.parametrize(
  ('limit', 'text'),
  [
    ({}, ''),
    ({'at_least': 1000}, '1,000 or more'),
    ({'at_most': 2000}, 'at most 2,000'),
    ({'at_least': 1, 'less_than': 2}, '1 or more and less than 2'),
  ],
)
def test_limits_are_described(limit, text):
  assert settings.limits(settings.Setting('Help.', **limit)) == text


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ({'rate': 0.25}, '`rate`=0.25: expected 0.5 or more'),
    ({'rate': -math.inf}, '`rate`=-inf: expected a finite number, 0.5 or more'),
    ({'rate': math.inf}, '`rate`=inf: expected a finite number, 0.5 or more'),
    ({'rate': math.nan}, '`rate`=nan: expected a finite number, 0.5 or more'),
    ({'offset': math.nan}, '`offset`=nan: expected a finite number'),
    ({'steps': 10**20}, f'`steps`={10**20}: expected 1 to 2,147,483,647'),
    ({'steps': math.nan}, '`steps`=nan: expected a finite number, 1 to 2,147'),
  ],
)
def test_a_number_too_small_too_large_or_not_finite_is_refused(values, message):
  with pytest.raises(UserError) as error:
    settings.check(_Numbers(**values))
  assert str(error.value).startswith(message)


def test_numbers_have_no_other_limits():
  settings.check(_Numbers(rate=1e300, offset=-1e300, steps=2**31 - 1))


def test_first_unmet_condition_is_the_reason():
  assert unmet(['a', 'b', 'c'], {'a': 1}) == '`b` is not given'


def test_malformed_condition_is_a_mistake_of_the_declaration():
  with pytest.raises(ValueError, match="'a<1' is not a condition"):
    unmet(['a<1'], {})
