"""Tests of system/errors.py."""

import pytest

from system.errors import listed, reason_of, shown


class _OpError(Exception):
  def __init__(self, message):
    self.message = message
    super().__init__('not this')


@pytest.mark.parametrize(
  ('error', 'reason'),
  [
    (OSError('no space left'), 'no space left'),
    (OSError(28, 'no space left', '/a'), 'no space left'),
    (
      _OpError(
        '{{function_node __wrapped__Iterator}} truncated record at 129 '
        '[Op:IteratorGetNext] name: '
      ),
      'truncated record at 129',
    ),
    (
      _OpError('{{node SaveV2}} out of {{node X}} disk\nin /a'),
      'out of disk\nin /a',
    ),
  ],
)
def test_names_of_nodes_and_ops_are_left_out(error, reason):
  assert reason_of(error) == reason


def test_messages_show_the_beginning_of_a_long_value():
  assert shown("it's") == '"it\'s"'
  assert shown('a' * 60) == repr('a' * 60)
  assert shown('a' * 100_000) == repr('a' * 60) + '...'
  assert shown([1, 'a']) == "[1, 'a']"
  assert shown([0] * 100_000) == '[' + '0, ' * 19 + '0,...'


def test_messages_show_the_first_values_of_a_list():
  assert listed(['a', 'b' * 61]) == f"'a', '{'b' * 60}'..."
  assert listed(range(20)) == ', '.join(map(str, range(20)))
  assert (
    listed(range(1021)) == ', '.join(map(str, range(20))) + ' and 1,001 more'
  )
