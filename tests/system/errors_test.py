"""Tests of system/errors.py."""

import pytest

from system.errors import reason_of


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
