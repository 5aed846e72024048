"""The flags of a folder: others are refused, new ones are added."""

import json

import pytest

from recipes import kept_flags
from system.errors import UserError


def test_other_values_are_refused_and_new_flags_added(tmp_path):
  path = tmp_path / 'settings.json'
  kept_flags.check(str(path), {'rate': None}, 'Give another folder')
  kept_flags.keep(str(path), {'rate': None})
  kept_flags.check(str(path), {'rate': None, 'size': 2}, '')
  kept_flags.keep(str(path), {'size': 2})
  assert json.loads(path.read_text()) == {'rate': None, 'size': 2}
  with pytest.raises(UserError) as raised:
    kept_flags.check(str(path), {'rate': 0.5}, 'Give another folder')
  assert str(raised.value) == (
    f'--rate: {path} has None, now 0.5. Give another folder'
  )
