"""Files: whole or not at all, local or remote, with one message."""

import os
import time

import pytest

from system import files, temporary_files
from system.errors import UserError


@pytest.fixture(params=['local', 'ram'])
def folder(request, tmp_path):
  """A new folder on disk, and one in TensorFlow's memory."""
  if request.param == 'local':
    return str(tmp_path)
  path = f'ram://{tmp_path}'
  files.make_folder(path)
  return path


def test_what_is_written_is_read_and_nothing_else_is_there(folder):
  files.write_text(f'{folder}/a.txt', 'ünï\n')
  files.write_json(f'{folder}/b.json', {'z': 1, 'a': [2]})
  assert files.read_text(f'{folder}/a.txt') == 'ünï\n'
  assert files.read_text(f'{folder}/b.json').startswith('{\n  "a": [')
  assert files.read_json(f'{folder}/b.json') == {'a': [2], 'z': 1}
  assert files.list_folder(folder) == ['a.txt', 'b.json']
  assert files.size(f'{folder}/a.txt') == 6


def test_an_exception_leaves_the_earlier_file_and_no_other(folder):
  files.write_text(f'{folder}/a', 'earlier')
  with pytest.raises(ZeroDivisionError), files.open_write(f'{folder}/a') as f:
    f.write('half of it')
    raise ZeroDivisionError
  assert files.read_text(f'{folder}/a') == 'earlier'
  assert files.list_folder(folder) == ['a']


def test_a_file_is_not_there_before_it_is_whole(folder):
  with files.open_write(f'{folder}/a') as file:
    file.write('x')
    assert not files.exists(f'{folder}/a')
  assert files.exists(f'{folder}/a')


def test_temporary_names_do_not_depend_on_the_process():
  names = {temporary_files.name_for('folder/a') for _ in range(10)}
  assert len(names) == 10
  assert all(name.startswith('folder/.a.') for name in names)
  assert not any(str(os.getpid()) == name.split('.')[-2] for name in names)


def _temporary(folder, target, hours):
  """Makes a temporary file that was written to so many hours ago."""
  path = temporary_files.name_for(os.path.join(folder, target))
  files.write_text(path, 'half')
  if hours:
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))
  return os.path.basename(path)


def test_what_killed_writers_left_is_removed_an_hour_later(tmp_path):
  folder = str(tmp_path)
  for name in ('a', '.a.tmp', '.a.123.tmp'):  # None of them is ours.
    files.write_text(f'{folder}/{name}', '')
    os.utime(f'{folder}/{name}', (1, 1))
  mine, other = _temporary(folder, 'a', 2), _temporary(folder, 'ab', 2)
  used = _temporary(folder, 'a', 0.9)
  left = {'a', '.a.tmp', '.a.123.tmp', used}
  temporary_files.remove_abandoned(folder, 'a')
  assert set(os.listdir(folder)) == {*left, other}
  temporary_files.remove_abandoned(folder)
  assert set(os.listdir(folder)) == left
  temporary_files.remove_abandoned(folder, is_alone=True)
  assert set(os.listdir(folder)) == left - {used}
  assert mine not in left


def test_where_no_time_is_told_only_who_is_alone_tidies(tmp_path):
  folder = f'ram://{tmp_path}'
  files.make_folder(folder)
  name = _temporary(folder, 'a', 0)
  temporary_files.remove_abandoned(folder)
  assert files.list_folder(folder) == [name]
  temporary_files.remove_abandoned(folder, is_alone=True)
  assert files.list_folder(folder) == []
  temporary_files.remove_abandoned(f'{folder}/none')


def test_a_file_has_one_real_path(tmp_path, monkeypatch):
  (tmp_path / 'link').symlink_to(tmp_path / 'a')
  monkeypatch.chdir(tmp_path)
  for name in ('a', './a', 'b/..//a', 'link', f'file://{tmp_path}/a'):
    assert files.real_path(name) == str(tmp_path.resolve() / 'a')
  assert files.real_path('gs://b//a') == 'gs://b//a'


def test_comma_lists_and_globs_expand_in_their_order(folder):
  for name in ('b-2', 'b-1', 'a'):
    files.write_text(f'{folder}/{name}', name)
  found = files.expand(f'{folder}/b-*,{folder}/a,{folder}/b-1')
  assert [path.rpartition('/')[2] for path in found] == ['b-1', 'b-2', 'a']
  assert files.expand('') == []
  with pytest.raises(UserError, match="no file matches '.*none"):
    files.expand(f'{folder}/a,{folder}/none*')


def test_a_file_is_found_by_its_very_name(tmp_path):
  (tmp_path / 'a[1]').write_text('a')
  (tmp_path / '.a.tmp').write_text('half')
  assert files.expand(f'{tmp_path}/a[1]') == [f'{tmp_path}/a[1]']
  assert files.expand(f'file://{tmp_path}/*') == [f'{tmp_path}/a[1]']


def test_reading_what_is_not_there_names_it(folder):
  with pytest.raises(UserError, match='cannot read .*none'):
    files.read_text(f'{folder}/none')
  with (
    pytest.raises(UserError, match='cannot read .*none'),
    files.open_read(f'{folder}/none'),
  ):
    pass


def test_required_files_say_what_they_are_for(tmp_path):
  with pytest.raises(UserError, match='^--vocab_file must be given'):
    files.require_file('', '--vocab_file')
  with pytest.raises(UserError, match="--vocab_file: there is no file '/none'"):
    files.require_file('/none', '--vocab_file')
  with pytest.raises(UserError, match='is a folder, not a file'):
    files.require_file(str(tmp_path), '--vocab_file')


def test_text_that_is_not_utf8_and_malformed_json_are_named(tmp_path):
  (tmp_path / 'a').write_bytes(b'\xff\xfe')
  with pytest.raises(UserError, match='cannot read .*/a: .*utf-8'):
    files.read_text(str(tmp_path / 'a'))
  (tmp_path / 'b').write_text('{"a": ')
  with pytest.raises(UserError, match='/b is not valid JSON'):
    files.read_json(str(tmp_path / 'b'))


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot write to .*/file/folder'):
    files.make_folder(str(tmp_path / 'file' / 'folder'))
