"""The settings of a folder: others are refused, new ones are added."""

import json

import pytest

from system import kept_settings
from system.errors import UserError


def test_other_values_are_refused_and_new_settings_added(tmp_path):
  path = tmp_path / 'settings.json'
  kept_settings.check(str(path), {'rate': None}, 'Give another folder')
  kept_settings.keep(str(path), {'rate': None})
  kept_settings.check(str(path), {'rate': None, 'size': 2}, '')
  kept_settings.keep(str(path), {'size': 2})
  assert json.loads(path.read_text()) == {'rate': None, 'size': 2}
  with pytest.raises(UserError) as raised:
    kept_settings.check(str(path), {'rate': 0.5}, 'Give another folder')
  assert str(raised.value) == (
    f'`rate`: {path} has None, now 0.5. Give another folder'
  )
