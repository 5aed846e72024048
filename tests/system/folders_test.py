"""Tests of system/folders.py."""

import os
import time

import pytest

from system import files, folders, temporary_files


def _fill(path, content='new'):
  with folders.filled(str(path)) as temporary:
    files.write_text(os.path.join(temporary, 'a'), content)
    assert not files.exists(os.path.join(str(path), 'a'))


@pytest.mark.parametrize('name', ['x', 'x/', 'deep/x', './x'])
def test_a_folder_appears_as_a_whole(tmp_path, monkeypatch, name):
  monkeypatch.chdir(tmp_path)
  _fill(name)
  assert (tmp_path / name / 'a').read_text() == 'new'
  assert os.listdir((tmp_path / name).parent) == ['x']


def test_an_existing_folder_is_replaced(tmp_path):
  (tmp_path / 'x').mkdir()
  (tmp_path / 'x' / 'b').write_text('old')
  _fill(tmp_path / 'x')
  assert os.listdir(tmp_path / 'x') == ['a']


def test_a_failure_leaves_the_old_folder(tmp_path):
  (tmp_path / 'x').mkdir()
  with pytest.raises(KeyboardInterrupt), folders.filled(str(tmp_path / 'x')):
    raise KeyboardInterrupt
  assert os.listdir(tmp_path) == ['x']


def test_what_a_killed_process_left_is_removed_an_hour_later(tmp_path):
  old, recent, other = (
    temporary_files.name_for(str(tmp_path / name)) for name in ('x', 'x', 'xy')
  )
  then = time.time() - 2 * 3600
  for path in (old, recent, other):
    os.mkdir(path)
  for path in (old, other):
    os.utime(path, (then, then))
  _fill(tmp_path / 'x')
  names = {os.path.basename(path) for path in (recent, other)}
  assert set(os.listdir(tmp_path)) == {'x', *names}
