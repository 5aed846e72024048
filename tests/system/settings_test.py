"""Settings: limits and conditions."""

import dataclasses

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
    ({'share': float('nan')}, '`share`=nan: expected more than 0 and less'),
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
  assert unmet([condition], {'a': value}) == reason


def test_first_unmet_condition_is_the_reason():
  assert unmet(['a', 'b', 'c'], {'a': 1}) == '`b` is not given'


def test_malformed_condition_is_a_mistake_of_the_declaration():
  with pytest.raises(ValueError, match="'a<1' is not a condition"):
    unmet(['a<1'], {})
