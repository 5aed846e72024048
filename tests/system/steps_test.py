"""Steps: which are left to run, and their words."""

import pytest

from system import steps


def _step(folder, name, *needs, code='pass'):
  return steps.Step(name, ('-c', code), str(folder / name), needs)


def test_what_only_finished_steps_need_is_skipped(tmp_path):
  need = _step(tmp_path, 'need')
  result = _step(tmp_path, 'result', need)
  (tmp_path / 'result').touch()
  assert steps.to_run([result]) == []
  assert steps.to_run([_step(tmp_path, 'other', need)])[0] == need


def test_two_steps_of_one_name_must_be_the_same(tmp_path):
  with pytest.raises(ValueError, match='two steps are named x'):
    steps.to_run([_step(tmp_path, 'x'), _step(tmp_path, 'x', code='exit()')])


def test_flag_words():
  assert steps.flag_words({'a': 1, 'b': True, 'c': False, 'd': None}) == [
    '--a=1',
    '--b',
    '--noc',
  ]
